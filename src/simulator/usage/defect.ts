/** Which rule of meter events one breaks. */
export type DefectKind =
  | "no_meter"
  | "archived_meter"
  | "no_customer_defined"
  | "no_value_defined"
  | "invalid_value"
  | "too_many_digits"
  | "duplicate"
  | "too_old"
  | "in_future"
  | "customer_not_found";

export type Defect = { kind: DefectKind; message: string };
