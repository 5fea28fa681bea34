import { MigrationError } from "./errors.ts";

/** What carries a migration: messages in order, nothing lost, either side may close. */
export interface Channel {
  send(message: Uint8Array<ArrayBuffer>): void;
  /** The next message; undefined once the other side has closed. */
  receive(): Promise<Uint8Array | undefined>;
  close(): void;
}

/** More than this waits for nobody: the other side ignores the window that both agreed on. */
const maxQueued = 256;

/** Messages that have arrived and whoever waits for one. */
class Queue {
  #messages: Uint8Array[] = [];
  #waiting: { resolve(message: Uint8Array | undefined): void; reject(error: Error): void } | undefined;
  #closed = false;
  #error: Error | undefined;

  put(message: Uint8Array): void {
    if (this.#closed) return;
    if (this.#waiting) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve(message);
    } else if (this.#messages.length < maxQueued) {
      this.#messages.push(message);
    } else {
      this.fail(new MigrationError("channel", `more than ${maxQueued} messages at once`));
    }
  }

  take(): Promise<Uint8Array | undefined> {
    const message = this.#messages.shift();
    if (message) return Promise.resolve(message);
    if (this.#error) return Promise.reject(this.#error);
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  fail(error: Error): void {
    this.#error = error;
    this.#closed = true;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#waiting?.resolve(undefined);
    this.#waiting = undefined;
  }
}

/** Two ends in one process. */
export function channelPair(): [Channel, Channel] {
  const a = new Queue(), b = new Queue();
  const end = (mine: Queue, other: Queue): Channel => ({
    send: (message) => {
      other.put(message);
    },
    receive: () => mine.take(),
    close: () => {
      mine.close();
      other.close();
    },
  });
  return [end(a, b), end(b, a)];
}

/** The part of a MessagePort that is used, of the browser's and of Node's. */
export interface PortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  onmessage: ((event: { data: unknown }) => void) | null;
  close(): void;
}

/** A channel over a MessagePort; messages are moved, not copied. An empty message says that the other side closed. */
export function portChannel(port: PortLike): Channel {
  const queue = new Queue();
  port.onmessage = ({ data }) => {
    if (!(data instanceof Uint8Array)) queue.fail(new MigrationError("channel", "a message that is no bytes"));
    else if (data.length === 0) queue.close();
    else queue.put(data);
  };
  const post = (message: Uint8Array<ArrayBuffer>): void => {
    port.postMessage(message, [message.buffer]);
  };
  return {
    send: post,
    receive: () => queue.take(),
    close: () => {
      post(new Uint8Array(0));
      queue.close();
      port.onmessage = null;
      port.close();
    },
  };
}
