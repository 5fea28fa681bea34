import { VitrineError } from "../base/index.ts";

/** Error numbers that the ioctls answer with (errno(3)). */
export const Errno = {
  ENOENT: 2,
  EINTR: 4,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENXIO: 6,
  ENOTTY: 25,
} as const;
export type ErrnoName = keyof typeof Errno;

/** An ioctl refused: its errno, and a sentence that says what to do instead. */
export class KvmError extends VitrineError {
  readonly errno: number;

  constructor(name: ErrnoName, ioctl: string, value: string, cure: string) {
    super(name, ioctl, value, cure);
    this.name = "KvmError";
    this.errno = Errno[name];
  }
}
