import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { vi } from 'vitest';
import { taskControls } from '../../src/app/task-controls.ts';
import type { Script } from '../../src/cli/demo/scripted-model/script.ts';
import { matrixEvent, TASK_KEY } from '../../src/matrix/events.ts';
import { MatrixStorage } from '../../src/matrix/inbound/matrix-storage.ts';
import { Steering, type SteeringOptions } from '../../src/matrix/inbound/steering.ts';
import { MatrixApi } from '../../src/matrix/matrix-api.ts';
import { RateLimitedSender } from '../../src/matrix/rate-limited-sender.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteInboxStore } from '../../src/store/sqlite/sqlite-inbox-store.ts';
import type { InputRequest } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, logger } from '../support/bridge.ts';
import type { Homeserver } from '../support/homeserver.ts';
import type { Content, Person, RoomEvent } from '../support/person.ts';
import { tempDir } from '../support/temp.ts';

const WITHIN = { timeout: 60_000, interval: 20 };

/** Waits until something is so that nothing tells of. */
export const until = <T>(check: () => T) => vi.waitFor(check, WITHIN);

/** The event that an event relates to: what it reacts to, or replies to. */
function targetOf({ content }: RoomEvent): unknown {
  const relates = content['m.relates_to'] as Content | undefined;
  const replied = relates?.['m.in_reply_to'] as Content | undefined;
  return relates?.rel_type === 'm.annotation' ? relates.event_id : replied?.event_id;
}

/** A room with the bridge's account, ann who may steer and bob who may not, and tasks told of in it. */
export class SteeringFixture {
  readonly server: Homeserver;
  readonly bridge: Bridge;
  readonly bot: Person;
  readonly ann: Person;
  readonly bob: Person;
  readonly folder: Awaited<ReturnType<typeof tempDir>>;
  readonly database: ReturnType<typeof openDatabase>;
  room: string;
  steering: Steering | undefined;
  readonly #ended: Promise<void>[] = [];
  readonly #lastSeq = new Map<string, number>();

  private constructor(
    parts: Pick<
      SteeringFixture,
      'server' | 'bridge' | 'bot' | 'ann' | 'bob' | 'folder' | 'database' | 'room'
    >,
  ) {
    this.server = parts.server;
    this.bridge = parts.bridge;
    this.bot = parts.bot;
    this.ann = parts.ann;
    this.bob = parts.bob;
    this.folder = parts.folder;
    this.database = parts.database;
    this.room = parts.room;
  }

  static async open(server: Homeserver, bridge: Bridge, room: Content = {}): Promise<SteeringFixture> {
    const [bot, ann, bob] = await Promise.all([
      server.user('bridge'),
      server.user('ann'),
      server.user('bob'),
    ]);
    const folder = await tempDir('steering-');
    const parts = { server, bridge, bot, ann, bob, folder, database: openDatabase(folder.path), room: '' };
    const fixture = new SteeringFixture(parts);
    fixture.room = await fixture.newRoom(room);
    return fixture;
  }

  /** Ann has power level 50 in it, bob 0. */
  async newRoom(options: Content = {}): Promise<string> {
    const people = [this.ann, this.bob];
    const room = await this.bot.createRoom({
      invite: people.map(({ userId }) => userId),
      ...options,
    });
    await Promise.all(people.map((person) => person.join(room)));
    const levels = await this.bot.state(room, 'm.room.power_levels');
    const users = { ...(levels.users as Content), [this.ann.userId]: 50 };
    await this.bot.setState(room, 'm.room.power_levels', { ...levels, users });
    return room;
  }

  /** Steering as the bridge has it; resolves once it listens. */
  async steer(options: Partial<SteeringOptions> = {}): Promise<Steering> {
    const steering = this.make(options);
    steering.start();
    await until(() => {
      if (this.storage().since === undefined) throw new Error(`not listening: ${steering.health().detail}`);
    });
    return steering;
  }

  /** The same, not started. */
  make(options: Partial<SteeringOptions> = {}): Steering {
    const api = new MatrixApi({ url: this.server.url, token: this.bot.token });
    this.steering = new Steering({
      api,
      sender: new RateLimitedSender(api),
      userId: this.bot.userId,
      allowedSenders: [],
      mode: 'thread',
      roomId: () => this.room,
      storage: this.storage(),
      store: new SqliteInboxStore(this.database, (event) => matrixEvent.parse(event)),
      controls: this.controls(),
      logger,
      ...options,
    });
    return this.steering;
  }

  controls() {
    return taskControls(this.bridge.execution);
  }

  /** What is in the file now. */
  storage(): MatrixStorage {
    const account = { userId: this.bot.userId, homeserver: this.server.url };
    return new MatrixStorage(join(this.folder.path, 'matrix.json'), account);
  }

  /** A task that waits for a permission or goes through other steps, and the root of its thread. */
  async task(steps: Script, folder = 'shared'): Promise<{ task: Task; root: string }> {
    // An instance of OpenCode takes seconds for a folder that it does not know.
    const directory = join(this.bridge.workspaceDir, folder);
    await mkdir(directory, { recursive: true });
    const task = await this.bridge.start(steps, { directory });
    return { task, root: await this.post(`Task ${task.id}`, { task_id: task.id, event_type: 'created' }) };
  }

  /** The task's next request, and the message that tells of it. */
  async request(task: Task, root: string): Promise<{ request: InputRequest; message: string }> {
    const isAsked = ({ kind }: { kind: string }) => kind === 'request_opened';
    const event = await this.bridge.until(task, isAsked, this.#lastSeq.get(task.id) ?? 0);
    if (event.kind !== 'request_opened') throw new Error('unreachable');
    this.#lastSeq.set(task.id, event.seq);
    const mark = { task_id: task.id, event_type: event.kind, request_id: event.request.id };
    return { request: event.request, message: await this.post(event.request.title, mark, root) };
  }

  /** A message of the bridge about a task. */
  post(body: string, mark: Content, root?: string): Promise<string> {
    const thread = { rel_type: 'm.thread', event_id: root, is_falling_back: true };
    return this.bot.send(this.room, 'm.room.message', {
      msgtype: 'm.notice',
      body,
      [TASK_KEY]: mark,
      ...(root && { 'm.relates_to': { ...thread, 'm.in_reply_to': { event_id: root } } }),
    });
  }

  /** The bridge's reaction to an event. */
  async ack(eventId: string, room = this.room): Promise<unknown> {
    const event = await this.ann.sees(room, (event) => this.#isAnswer(event, 'm.reaction', eventId));
    return (event.content['m.relates_to'] as Content).key;
  }

  /** What the bridge says in answer to an event. */
  async note(eventId: string, room = this.room): Promise<string> {
    const event = await this.ann.sees(room, (event) => this.#isAnswer(event, 'm.room.message', eventId));
    return String(event.content.body);
  }

  /** All that the bridge said and put on events, in order. */
  async answers(to: string, room = this.room): Promise<RoomEvent[]> {
    return (await this.ann.events(room)).filter(
      (event) => event.sender === this.bot.userId && targetOf(event) === to,
    );
  }

  /** Another process in place of the present one, which does nothing more. */
  restart(options: Partial<SteeringOptions> = {}): Promise<Steering> {
    if (this.steering) this.#ended.push(this.steering.close());
    return this.steer(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#ended, this.steering?.close()]);
    this.database.close();
    await this.folder.remove();
    const left = this.bridge.store.unfinished();
    await Promise.allSettled(left.map((task) => this.bridge.execution.cancel(task, 'test', undefined)));
  }

  #isAnswer(event: RoomEvent, type: string, to: string): boolean {
    return event.type === type && event.sender === this.bot.userId && targetOf(event) === to;
  }
}
