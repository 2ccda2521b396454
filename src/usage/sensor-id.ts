import { z } from "zod";

const rule = "must be 1 to 128 of A–Z a–z 0–9 . _ : -";

/** The customer's own name for a sensor, in a reading. */
export const sensorIdPattern = /^[A-Za-z0-9._:-]{1,128}$/;
export const sensorIdSchema = z.string().regex(sensorIdPattern, rule);

const addressableRule = `${rule}, and not . or ..`;
const addressable = /^(?:[A-Za-z0-9_:-]|\.[A-Za-z0-9_:-]|\.\.[A-Za-z0-9._:-])[A-Za-z0-9._:-]*$/;

/** The same in a URL, but for `.` and `..`: every client takes those for steps of the path, so that they cannot be asked for. */
export const addressableSensorIdSchema = z
  .string()
  .max(128, addressableRule)
  .regex(addressable, addressableRule);
