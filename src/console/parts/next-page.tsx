/** The way to the page after this one, with the same filters; nothing on the last. */
export function NextPage({
  path,
  query,
  cursor,
}: {
  path: string;
  query: Record<string, string | undefined>;
  cursor: string | null;
}) {
  if (cursor === null) return null;
  return (
    <p>
      <a class="button" href={withQuery(path, { ...query, cursor })} rel="next">
        Next page
      </a>
    </p>
  );
}

/** The path with those parameters that are not empty. */
export function withQuery(path: string, query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== "",
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
}
