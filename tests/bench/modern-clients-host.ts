import { modernLoad } from '../http/modern-load.ts';

/** `node modern-clients-host.ts <url> <clients> <requests a second> <ms>`: clients in a process of their own; writes what became of their requests. */
const [, , url = '', clients = '1', perSecond = '1', ms = '0'] = process.argv;
const load = { url, clients: Number(clients), perSecond: Number(perSecond), ms: Number(ms) };
process.stdout.write(`${JSON.stringify(await modernLoad(load))}\n`);
