// node-smpp as an ESME, driven by JSON lines; see node_client.py.
'use strict';

const smpp = require('smpp');
const wire = require('./wire');

wire.prepare(smpp);
let session;

function bind({ id, port, mode, system_id }) {
  session = smpp.connect({ host: '127.0.0.1', port });
  session.on('error', (error) => wire.say({ event: 'error', id, message: error.message }));
  session.on('close', () => wire.say({ event: 'close', id }));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => session.send(pdu.response(), () => session.close()));
  session.on('deliver_sm', (pdu) => {
    wire.say({ event: 'deliver_sm', fields: wire.fields(pdu) });
    session.send(pdu.response());
  });
  session.on('connect', () => {
    session['bind_' + mode]({ system_id, password: 'secret', interface_version: 0x34 }, (answer) => {
      wire.say({ event: 'bound', id, status: answer.command_status });
    });
  });
}

function requests({ id, window, list }) {
  let next = 0;
  const more = () => {
    if (next === list.length) return;
    const index = next++;
    const { command, fields } = list[index];
    session[command](fields, (answer) => {
      wire.say({
        event: 'answer', id, index, command: answer.command, status: answer.command_status,
        sequence: answer.sequence_number, fields: wire.fields(answer),
      });
      more();
    });
  };
  for (let free = window; free > 0; free--) more();
}

function unbind({ id }) {
  session.unbind((answer) => {
    wire.say({ event: 'unbound', id, status: answer.command_status });
    session.close();
  });
}

wire.listen({ bind, requests, unbind });
