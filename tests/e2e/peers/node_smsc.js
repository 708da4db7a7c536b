// node-smpp as an SMSC, driven by JSON lines; see smsc.py. It answers every message with a message_id of its own.
'use strict';

const smpp = require('smpp');
const wire = require('./wire');

wire.prepare(smpp);
const [port, first] = process.argv.slice(2).map(Number);
const ENROUTE = 1, DELETED = 4;
const states = new Map();
const sessions = new Map();
let count = 0;
let number = first;
let holding = false;
let held = [];
let bindStatus = 0;
let submitStatus = 0;

function answer(session, pdu, options) {
  const send = () => session.send(pdu.response(options));
  if (holding) held.push(send);
  else send();
}

function message(session, key) {
  return (pdu) => {
    const refused = submitStatus !== 0;
    const message_id = refused ? '' : (number++).toString(16).padStart(8, '0');
    if (!refused) states.set(message_id, ENROUTE);
    wire.say({
      event: 'message', session: key, command: pdu.command, sequence: pdu.sequence_number, message_id,
      fields: wire.fields(pdu),
    });
    answer(session, pdu, refused ? { command_status: submitStatus } : { message_id, unsuccess_sme: [] });
  };
}

function about(session, key, act) {
  return (pdu) => {
    const known = states.has(pdu.message_id);
    wire.say({ event: pdu.command, session: key, sequence: pdu.sequence_number, message_id: pdu.message_id });
    answer(session, pdu, known ? act(pdu) : { command_status: smpp.ESME_RINVMSGID });
  };
}

function bound(session, key) {
  return (pdu) => {
    wire.say({ event: 'bind', session: key, command: pdu.command, system_id: pdu.system_id, status: bindStatus });
    const options = bindStatus ? { command_status: bindStatus } : { system_id: 'node-smpp', sc_interface_version: 0x34 };
    session.send(pdu.response(options));
  };
}

// Half-open: a client may end its side right after its unbind, and still wants the answer.
const server = smpp.createServer({ allowHalfOpen: true }, (session) => {
  const key = ++count;
  sessions.set(key, session);
  for (const command of ['bind_transmitter', 'bind_receiver', 'bind_transceiver']) session.on(command, bound(session, key));
  for (const command of ['submit_sm', 'data_sm', 'submit_multi']) session.on(command, message(session, key));
  session.on('query_sm', about(session, key, (pdu) => ({
    message_id: pdu.message_id, final_date: '', message_state: states.get(pdu.message_id), error_code: 0,
  })));
  session.on('cancel_sm', about(session, key, (pdu) => { states.set(pdu.message_id, DELETED); return {}; }));
  session.on('replace_sm', about(session, key, () => ({})));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    wire.say({ event: 'unbind', session: key });
    answer(session, pdu, {});
    if (!holding) session.close();
  });
  session.on('deliver_sm_resp', (pdu) => {
    wire.say({ event: 'deliver_sm_resp', session: key, sequence: pdu.sequence_number, status: pdu.command_status });
  });
  session.socket.on('end', () => { if (!holding) session.close(); });
  session.on('close', () => { sessions.delete(key); wire.say({ event: 'close', session: key }); });
  session.on('error', (error) => wire.say({ event: 'error', session: key, message: error.message }));
});

wire.listen({
  tell() { wire.say({ event: 'told' }); },
  hold() { holding = true; wire.say({ event: 'holding' }); },
  release() {
    holding = false;
    for (const send of held) send();
    wire.say({ event: 'released', count: held.length });
    held = [];
  },
  answers({ bind, submit }) { bindStatus = bind; submitStatus = submit; wire.say({ event: 'answering' }); },
  deliver({ session, fields }) { sessions.get(session).deliver_sm(fields); },
});

server.listen(port, '127.0.0.1', () => wire.say({ event: 'listening', port: server.address().port }));
