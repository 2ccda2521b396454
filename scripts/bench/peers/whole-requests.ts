type OnRequest = (request: { path: string; body: string }) => void;

const endOfHead = "\r\n\r\n";

/**
 * Reads the HTTP/1.1 requests of one connection, each when it is whole. Only such as Stripe's clients send: without a
 * body, or with its length. Node's own server takes several times as long, on a core that what is measured needs, too.
 */
export function createRequestReader(onRequest: OnRequest): (chunk: Buffer) => void {
  let unread: Buffer = Buffer.alloc(0);
  return (chunk) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    for (;;) {
      const headEnd = unread.indexOf(endOfHead);
      if (headEnd === -1) return;
      const head = unread.toString("latin1", 0, headEnd);
      const bodyStart = headEnd + endOfHead.length;
      const bodyEnd = bodyStart + lengthOfBody(head);
      if (unread.length < bodyEnd) return;
      const [, path = ""] = head.split(" ", 2);
      const body = unread.toString("utf8", bodyStart, bodyEnd);
      unread = unread.subarray(bodyEnd);
      onRequest({ path, body });
    }
  };
}

function lengthOfBody(head: string): number {
  if (/\r\ntransfer-encoding:/i.test(head)) throw new Error("a request whose body has no length");
  const [, length = "0"] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? [];
  return Number(length);
}
