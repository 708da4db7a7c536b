// JSON lines between a node process and the tests: one object a line, octets as {"hex": "..."}.
'use strict';

const readline = require('readline');

function revive(_key, value) {
  return value && typeof value === 'object' && 'hex' in value ? Buffer.from(value.hex, 'hex') : value;
}

function plain(value) {
  if (Buffer.isBuffer(value)) return { hex: value.toString('hex') };
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Date) return value.toISOString();
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  }
  return value;
}

const HEADER = ['command', 'command_id', 'command_length', 'command_status', 'sequence_number'];

module.exports = {
  // Writes one object.
  say(object) {
    process.stdout.write(JSON.stringify(plain(object)) + '\n');
  },
  // Calls handlers[object.do](object) for each line; the process ends with its standard input.
  listen(handlers) {
    const lines = readline.createInterface({ input: process.stdin });
    lines.on('line', (line) => {
      const order = JSON.parse(line, revive);
      handlers[order.do](order);
    });
    lines.on('close', () => process.exit(0));
  },
  // What a PDU says beside its header.
  fields(pdu) {
    return Object.fromEntries(Object.entries(pdu).filter(([key]) => !HEADER.includes(key)));
  },
  // Makes node-smpp leave octets alone and know portguard's own TLVs.
  prepare(smpp) {
    for (const [name, id] of [['verdict', 0x1d01], ['reason', 0x1d02], ['revision', 0x1d03], ['category', 0x1d04]]) {
      smpp.addTLV('portguard_' + name, { id, type: smpp.types.tlv.buffer });
    }
    for (const command of Object.values(smpp.commands)) {
      if (command.params && command.params.short_message) delete command.params.short_message.filter;
    }
    delete smpp.tlvs.message_payload.filter;
  },
};
