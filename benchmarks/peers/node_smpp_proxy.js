// A peer: the least that makes a proxy of node-smpp. Each PDU is decoded and encoded again; sequence numbers stay.
//
//     node node_smpp_proxy.js PORT TARGET_PORT
'use strict';

const { createRequire } = require('module');
const path = require('path');

// The library is installed for the end-to-end tests.
const smpp = createRequire(path.resolve(__dirname, '../../tests/e2e/package.json'))('smpp');
const [port, target] = process.argv.slice(2).map(Number);

smpp.createServer((esme) => {
  const smsc = smpp.connect({ host: '127.0.0.1', port: target });
  esme.pause();
  smsc.on('connect', () => esme.resume());
  for (const [from, to] of [[esme, smsc], [smsc, esme]]) {
    from.on('pdu', (pdu) => to.send(pdu));
    from.on('close', () => to.close());
    from.on('error', (error) => { console.error(error); to.destroy(); });
  }
}).listen(port, '127.0.0.1', () => console.log('ready'));
