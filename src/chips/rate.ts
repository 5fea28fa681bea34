/*
 * Exact conversion between nanoseconds and the ticks of a crystal of `hz`, for t up to 2^53 and hz below
 * 2^23: whole seconds are split off first, so no product leaves the integers a double holds.
 */
const second = 1_000_000_000;

/** Ticks completed at time t: floor(t * hz / 10^9). */
export function ticksAt(t: number, hz: number): number {
  const rest = t % second;
  return ((t - rest) / second) * hz + Math.floor((rest * hz) / second);
}

/** The first time at which `ticks` ticks are completed: ceil(ticks * 10^9 / hz). */
export function timeOf(ticks: number, hz: number): number {
  const rest = ticks % hz;
  return ((ticks - rest) / hz) * second + Math.ceil((rest * second) / hz);
}
