/** One field of a protobuf message as it stands on the wire: its number, and a number or the bytes. */
type Field = { number: number; value: bigint | Buffer };

/** The fields of a protobuf message, in order (protobuf.dev/programming-guides/encoding). Throws for anything else. */
export function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;

  function varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  function bytes(length: number): Buffer {
    if (at + length > message.length) throw new Error("a protobuf field is longer than its message");
    at += length;
    return message.subarray(at - length, at);
  }

  function valueOf(wireType: number): bigint | Buffer {
    switch (wireType) {
      case 0:
        return varint();
      case 1:
        return bytes(8);
      case 2:
        return bytes(Number(varint()));
      case 5:
        return bytes(4);
      default:
        throw new Error(`protobuf has no wire type ${wireType}`);
    }
  }

  while (at < message.length) {
    const tag = Number(varint());
    fields.push({ number: tag >> 3, value: valueOf(tag & 7) });
  }
  return fields;
}

/** All values of a field that holds messages, strings or bytes. */
export function buffersOf(message: Buffer, number: number): Buffer[] {
  return fieldsOf(message).flatMap((field) =>
    field.number === number && Buffer.isBuffer(field.value) ? [field.value] : [],
  );
}
