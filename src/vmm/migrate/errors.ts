import { VitrineError } from "../../base/index.ts";

/** A migration that did not come about; the source goes on running. */
export class MigrationError extends VitrineError {
  constructor(object: string, value: string, cure = "the source keeps the machine; try again") {
    super("migration", object, value, cure);
    this.name = "MigrationError";
  }
}
