/**
 * The value with bytes that own their memory, for another thread: the structured clone of a view copies the whole buffer
 * that it looks into, be it a block of which it is one hash. Plain objects, arrays, maps and bytes.
 */
export function compact<T>(value: T): T {
  return (needsCopy(value) ? copied(value) : value) as T;
}

function needsCopy(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Uint8Array) return value.length !== value.buffer.byteLength;
  if (Array.isArray(value)) return value.some(needsCopy);
  if (value instanceof Map) return [...value.values()].some(needsCopy);
  for (const name in value) if (needsCopy(value[name as keyof typeof value])) return true;
  return false;
}

function copied(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(copied);
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, copied(each)]));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copied(each)]));
}
