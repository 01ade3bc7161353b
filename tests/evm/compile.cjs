// Writes {contract: {abi, selectors, code, links}} of what the command line names to compiled.json: first the package of the
// compiler, then sources to compile and files of what a package brings compiled.
const fs = require('fs');
const solc = require(process.argv[2]);
const {keccak256} = require('js-sha3');

const remapped = [['openzeppelin-contracts/', '@openzeppelin/'], ['solidity-utils/', '@bgd-labs/solidity-utils/src/']];

function read(path) {
  for (const [from, to] of remapped) if (path.startsWith(from)) path = to + path.slice(from.length);
  for (const file of ['node_modules/' + path, path]) {
    if (fs.existsSync(file)) return {contents: fs.readFileSync(file, 'utf8')};
  }
  return {error: 'no file ' + path};
}

// A type as selectors spell it: tuples by their parts.
function spelt(kind) {
  if (!kind.type.startsWith('tuple')) return kind.type;
  return '(' + kind.components.map(spelt).join(',') + ')' + kind.type.slice(5);
}

const sources = {}, compiled = {};
for (const path of process.argv.slice(3)) {
  if (!path.endsWith('.json')) {
    sources[path] = {content: read(path).contents};
    continue;
  }
  const one = JSON.parse(read(path).contents), selectors = {};
  for (const entry of one.abi.filter((e) => e.type === 'function')) {
    const text = entry.name + '(' + entry.inputs.map(spelt).join(',') + ')';
    selectors[text] = keccak256(text).slice(0, 8);
  }
  const code = (one.evm ? one.evm.bytecode.object : one.bytecode).replace('0x', '');
  compiled[path.split('/').pop().slice(0, -5)] = {abi: one.abi, selectors, code, links: []};
}
const input = {
  language: 'Solidity', sources,
  settings: {evmVersion: 'paris', outputSelection: {'*': {'*': ['abi', 'evm.bytecode.object', 'evm.bytecode.linkReferences', 'evm.methodIdentifiers']}}},
};
const output = JSON.parse(solc.compile(JSON.stringify(input), {import: read}));
const errors = (output.errors || []).filter((e) => e.severity === 'error');
if (errors.length) {
  console.error(errors.map((e) => e.formattedMessage).join('\n'));
  process.exit(1);
}
for (const found of Object.values(output.contracts)) {
  for (const [name, one] of Object.entries(found)) {
    if (!one.evm.bytecode.object) continue;
    const links = [];
    for (const file of Object.values(one.evm.bytecode.linkReferences)) {
      for (const [library, places] of Object.entries(file)) {
        for (const place of places) links.push([library, place.start]);
      }
    }
    compiled[name] = {abi: one.abi, selectors: one.evm.methodIdentifiers, code: one.evm.bytecode.object, links};
  }
}
fs.writeFileSync('compiled.json', JSON.stringify(compiled));
