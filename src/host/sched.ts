/** What a module that keeps state in the processor for a thread is told ("preempt notifiers" in the kernel). */
export interface PreemptNotifier {
  /** The thread is about to run on this CPU, which is selected. */
  schedIn(cpu: number): void;
  /** Another thread needs the thread's CPU, which is selected: what is kept there has to go elsewhere. */
  schedOut(): void;
}

/** A thread of a process. */
export class Thread {
  readonly name: string;
  readonly notifier: PreemptNotifier;
  /** The CPU it is on, or was last. */
  cpu: number;
  /** It waits for something and needs no CPU. */
  blocked = false;

  constructor(name: string, cpu: number, notifier: PreemptNotifier) {
    this.name = name;
    this.cpu = cpu;
    this.notifier = notifier;
  }
}

/**
 * The host's CPUs and the threads on them. A thread keeps its CPU, with all that a module has loaded there, until another
 * one needs it: a thread that blocks costs no switch, nor does one that comes back to where it was.
 */
export class Scheduler {
  readonly cpus: number;
  /** The thread that run() has chosen last. */
  running: Thread | undefined;
  switches = 0;
  migrations = 0;
  preemptions = 0;
  readonly #select: (cpu: number) => void;
  /** Whose state each CPU holds. */
  readonly #on: (Thread | undefined)[];
  #created = 0;

  constructor(cpus: number, select: (cpu: number) => void) {
    this.cpus = cpus;
    this.#select = select;
    this.#on = Array.from({ length: cpus }, () => undefined);
  }

  /** A thread on the next CPU in turn, which is selected and free for it. */
  create(name: string, notifier: PreemptNotifier): Thread {
    const thread = new Thread(name, this.#created++ % this.cpus, notifier);
    this.#take(thread.cpu);
    this.#on[thread.cpu] = thread;
    return thread;
  }

  /** Makes the thread the one that runs; its CPU is selected afterwards. */
  run(thread: Thread): void {
    this.running = thread;
    if (this.#on[thread.cpu] === thread) {
      if (this.cpus > 1) this.#select(thread.cpu);
      return;
    }
    const cpu = this.#choose(thread);
    if (cpu !== thread.cpu) this.migrations++;
    this.switches++;
    this.#take(cpu);
    this.#on[cpu] = thread;
    thread.cpu = cpu;
    thread.notifier.schedIn(cpu);
  }

  /** Takes a running thread to another CPU, as the load balancer or taskset would. */
  move(thread: Thread, cpu: number): void {
    if (cpu === thread.cpu) return;
    if (this.#on[thread.cpu] === thread) {
      this.#take(thread.cpu);
      this.#on[thread.cpu] = undefined;
    }
    this.migrations++;
    this.switches++;
    this.#take(cpu);
    this.#on[cpu] = thread;
    thread.cpu = cpu;
    thread.notifier.schedIn(cpu);
  }

  #take(cpu: number): void {
    this.#select(cpu);
    const before = this.#on[cpu];
    if (!before) return;
    if (!before.blocked) this.preemptions++;
    before.notifier.schedOut();
    this.#select(cpu);
  }

  /** Where it was, unless a thread that wants to run is there and some other CPU has none. */
  #choose(thread: Thread): number {
    const there = this.#on[thread.cpu];
    if (!there || there.blocked) return thread.cpu;
    const idle = this.#on.findIndex((other) => !other || other.blocked);
    return idle < 0 ? thread.cpu : idle;
  }
}
