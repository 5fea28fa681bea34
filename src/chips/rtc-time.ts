import { fromBcd, toBcd } from "../base/bits.ts";

/** A date and time as the clock's registers hold it, in plain numbers; weekday 1 is Sunday. */
export interface RtcTime {
  readonly second: number;
  readonly minute: number;
  readonly hour: number;
  readonly weekday: number;
  readonly day: number;
  readonly month: number;
  readonly year: number;
}

/** Register B bits that decide how numbers are written. */
export interface RtcFormat {
  readonly binary: boolean;
  readonly hours24: boolean;
}

const daySeconds = 86400;

/** Civil date of a count of seconds since 1970-01-01 00:00 UTC, in the proleptic Gregorian calendar. */
export function timeFromSeconds(seconds: number): RtcTime {
  const days = Math.floor(seconds / daySeconds);
  const rest = seconds - days * daySeconds;
  // Count from 1 March of the year 0, so that the leap day ends its year; 400 years have 146097 days.
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    second: rest % 60,
    minute: Math.floor(rest / 60) % 60,
    hour: Math.floor(rest / 3600),
    weekday: ((((days + 4) % 7) + 7) % 7) + 1,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
    month,
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
  };
}

/** The inverse; fields out of their range carry over, the weekday does not matter. */
export function secondsFromTime(t: RtcTime): number {
  const year = t.month <= 2 ? t.year - 1 : t.year;
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const dayOfYear = Math.floor((153 * (t.month > 2 ? t.month - 3 : t.month + 9) + 2) / 5) + t.day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return (era * 146097 + dayOfEra - 719468) * daySeconds + t.hour * 3600 + t.minute * 60 + t.second;
}

export function encodeNumber(n: number, format: RtcFormat): number {
  return format.binary ? n & 0xff : toBcd(n) & 0xff;
}

export function decodeNumber(byte: number, format: RtcFormat): number {
  return format.binary ? byte : fromBcd(byte);
}

/** The hours register: bit 7 is PM in 12-hour mode. */
export function encodeHour(hour: number, format: RtcFormat): number {
  if (format.hours24) return encodeNumber(hour, format);
  return encodeNumber(hour % 12 === 0 ? 12 : hour % 12, format) | (hour >= 12 ? 0x80 : 0);
}

export function decodeHour(byte: number, format: RtcFormat): number {
  if (format.hours24) return decodeNumber(byte, format);
  return (decodeNumber(byte & 0x7f, format) % 12) + ((byte & 0x80) !== 0 ? 12 : 0);
}
