// WebSocket wire format: each binary message is one MCAP record (mcap.dev/spec) as in a session file; records with the
// opcode 0x80 hold a ClientMessage or ServerMessage.

import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type ClientMessage,
  ClientMessageSchema,
  type ServerMessage,
  ServerMessageSchema,
} from '../../gen/protocol/wire_pb';

const OPCODE_CHANNEL = 0x04;
const OPCODE_MESSAGE = 0x05;
const OPCODE_PRIVATE = 0x80;
const RECORD_HEADER_BYTES = 9;
const MESSAGE_HEADER_BYTES = 22;

/** One message of a channel, as in the file. Times are session times in nanoseconds. */
export interface ChannelMessage {
  topic: string;
  timeNs: bigint;
  publishNs: bigint;
  data: Uint8Array;
}

export type Received =
  | { kind: 'channel'; id: number; topic: string }
  | { kind: 'message'; channel: number; timeNs: bigint; publishNs: bigint; data: Uint8Array }
  | { kind: 'server'; message: ServerMessage }
  | { kind: 'other' };

/** Parse a received WebSocket message. Throws on a malformed record. */
export function parseRecord(buffer: ArrayBuffer): Received {
  const view = new DataView(buffer);
  if (buffer.byteLength < RECORD_HEADER_BYTES)
    throw new Error(`a record of ${buffer.byteLength} bytes is too short`);
  const opcode = view.getUint8(0);
  const length = Number(view.getBigUint64(1, true));
  if (length !== buffer.byteLength - RECORD_HEADER_BYTES)
    throw new Error(`a record declares ${length} bytes and has ${buffer.byteLength - RECORD_HEADER_BYTES}`);
  const content = new Uint8Array(buffer, RECORD_HEADER_BYTES);
  switch (opcode) {
    case OPCODE_PRIVATE:
      return { kind: 'server', message: fromBinary(ServerMessageSchema, content) };
    case OPCODE_CHANNEL: {
      const topicLength = view.getUint32(RECORD_HEADER_BYTES + 4, true);
      const topic = new TextDecoder().decode(content.subarray(8, 8 + topicLength));
      return { kind: 'channel', id: view.getUint16(RECORD_HEADER_BYTES, true), topic };
    }
    case OPCODE_MESSAGE:
      if (length < MESSAGE_HEADER_BYTES) throw new Error('a message record is too short');
      return {
        kind: 'message',
        channel: view.getUint16(RECORD_HEADER_BYTES, true),
        timeNs: view.getBigUint64(RECORD_HEADER_BYTES + 6, true),
        publishNs: view.getBigUint64(RECORD_HEADER_BYTES + 14, true),
        data: content.subarray(MESSAGE_HEADER_BYTES),
      };
    default:
      return { kind: 'other' };
  }
}

export type ClientBody = NonNullable<MessageInitShape<typeof ClientMessageSchema>['body']>;

/** Serialize a message to the server. */
export function packMessage(request: bigint, body: ClientBody): Uint8Array<ArrayBuffer> {
  const message: ClientMessage = create(ClientMessageSchema, { request, body });
  const content = toBinary(ClientMessageSchema, message);
  const record = new Uint8Array(RECORD_HEADER_BYTES + content.length);
  const view = new DataView(record.buffer);
  view.setUint8(0, OPCODE_PRIVATE);
  view.setBigUint64(1, BigInt(content.length), true);
  record.set(content, RECORD_HEADER_BYTES);
  return record;
}
