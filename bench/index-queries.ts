export async function measureQueries(..._: unknown[]): Promise<void> {}
