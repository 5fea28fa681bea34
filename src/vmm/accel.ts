/** The accelerator interface, as user space sees it; it lives in base because both sides of it need the shapes. */
export * from "../base/accel.ts";
