/** One access to a device: a port, or guest-physical memory that no slot answers. */
export interface DeviceAccess {
  readonly port: boolean;
  readonly write: boolean;
  /** Port number or guest-physical address. */
  readonly at: number;
  readonly size: number;
  readonly value: bigint;
}

/** Where accesses go before user space is asked. */
export interface AccessTarget {
  load(gpa: number, size: number): bigint | undefined;
  store(gpa: number, size: number, value: bigint): boolean;
  deviceLoad(access: DeviceAccess): bigint | undefined;
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
  #values: bigint[] = [];
  #readAt = 0;
  #written = 0;
  #writeAt = 0;
  #touched = false;
  #queue: DeviceAccess[] = [];

  constructor(target: AccessTarget) {
    this.#target = target;
  }

  /** Has this run met a device? */
  get touched(): boolean {
    return this.#touched;
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
  answer(value: bigint): void {
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
    this.#queue = [];
  }
  nextWrite(): DeviceAccess | undefined {
    return this.#queue.length > 0 ? this.#queue.shift() : undefined;
  }

  read(access: DeviceAccess): bigint {
    if (this.asked) return 0n;
    const known = this.#values[this.#readAt++];
    if (known !== undefined) return known;
    const { at, size, port } = access;
    let value = port ? undefined : this.#target.load(at, size);
    if (value === undefined) {
      this.#touched = true;
      value = this.#target.deviceLoad(access);
    }
    if (value === undefined) this.asked = access;
    else this.#values.push(value);
    return value ?? 0n;
  }

  write(access: DeviceAccess): void {
    if (this.asked || this.#writeAt++ < this.#written) return;
    this.#written++;
    const { at, size, value, port } = access;
    if (!port && this.#target.store(at, size, value)) return;
    this.#touched = true;
    if (!this.#target.deviceStore(access)) this.#queue.push(access);
  }
}
