/**
 * Every error Vitrine raises names the object it concerns, the value that was refused and what would cure it,
 * so the message can be shown to a user as it stands.
 */
export class VitrineError extends Error {
  readonly kind: string;
  readonly object: string;
  readonly value: string;
  readonly cure: string;

  constructor(kind: string, object: string, value: string, cure: string) {
    super(`${object}: ${value}; ${cure}`);
    this.name = "VitrineError";
    this.kind = kind;
    this.object = object;
    this.value = value;
    this.cure = cure;
  }
}

/** A saved state, or its encoding, that cannot be taken back. */
export class StateError extends VitrineError {
  constructor(object: string, value: string, cure = "load a state saved by the same version") {
    super("state", object, value, cure);
    this.name = "StateError";
  }
}
