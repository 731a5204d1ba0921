import { type Client, ClientError } from '../client/index.js';

/** Whether there is a topic or queue of this name: only to tell a person whether a declaration has made it. */
export async function existsAlready(client: Client, name: string): Promise<boolean> {
  try {
    await client.describe(name);
    return true;
  } catch (error) {
    if (error instanceof ClientError && error.code === 'not-found') return false;
    throw error;
  }
}
