import { type MmioValue, mmioValue } from "../../base/index.ts";

/** One access to a device: a port, or guest-physical memory that no slot answers. */
export interface DeviceAccess {
  readonly port: boolean;
  readonly write: boolean;
  /** Port number or guest-physical address. */
  readonly at: number;
  readonly size: number;
  readonly value: MmioValue;
}

/** Where accesses go before user space is asked. */
export interface AccessTarget {
  load(gpa: number, size: number): MmioValue | undefined;
  store(gpa: number, size: number, value: MmioValue): boolean;
  deviceLoad(access: DeviceAccess): MmioValue | undefined;
  deviceStore(access: DeviceAccess): boolean;
}

/**
 * What an operation has read and written, in order, so that it can begin again after user space has answered: every
 * read gives the value that it gave before, and no write happens twice. Writes to user space wait until the operation
 * is complete, since they need no answer.
 */
export class AccessLog {
  /** The read that user space has to answer; what the run does from here on is for nothing. */
  asked: DeviceAccess | undefined;
  readonly #target: AccessTarget;
  #values: MmioValue[] = [];
  #readAt = 0;
  #written = 0;
  #writeAt = 0;
  #touched = false;
  #size = 0;
  #queue: DeviceAccess[] = [];

  constructor(target: AccessTarget) {
    this.#target = target;
  }

  /** Has this run met a device? */
  get touched(): boolean {
    return this.#touched;
  }
  /** Bytes of the only access that this run has made, 0 when there were others. */
  get only(): number {
    return this.#readAt + this.#writeAt === 1 ? this.#size : 0;
  }
  /** A run starts; true when it starts again. */
  begin(): boolean {
    const again = this.asked !== undefined;
    this.#readAt = 0;
    this.#writeAt = 0;
    this.#touched = false;
    this.asked = undefined;
    return again;
  }
  answer(value: MmioValue): void {
    this.#values.push(value);
  }
  /** The operation is complete: only its writes to user space remain. */
  commit(): void {
    if (this.#values.length > 0) this.#values = [];
    this.#written = 0;
  }
  /** The operation has not happened. */
  forget(): void {
    this.commit();
    this.asked = undefined;
    if (this.#queue.length > 0) this.#queue = [];
  }
  nextWrite(): DeviceAccess | undefined {
    return this.#queue.length > 0 ? this.#queue.shift() : undefined;
  }

  read(access: DeviceAccess): MmioValue {
    if (this.asked) return mmioValue(0, access.size);
    const known = this.#values[this.#readAt++],
      { at, size, port } = access;
    this.#size = size;
    if (known !== undefined) return known;
    let value = port ? undefined : this.#target.load(at, size);
    if (value === undefined) {
      this.#touched = true;
      value = this.#target.deviceLoad(access);
    }
    if (value === undefined) this.asked = access;
    else this.#values.push(value);
    return value ?? mmioValue(0, size);
  }

  write(access: DeviceAccess): void {
    const { at, size, value, port } = access;
    if (this.asked) return;
    this.#size = size;
    if (this.#writeAt++ < this.#written) return;
    this.#written++;
    if (!port && this.#target.store(at, size, value)) return;
    this.#touched = true;
    if (!this.#target.deviceStore(access)) this.#queue.push(access);
  }
}
