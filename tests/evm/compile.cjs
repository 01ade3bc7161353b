// Compiles the sources named on the command line and writes {contract: {abi, selectors, code, links}} to compiled.json.
const fs = require('fs');
const solc = require('solc');

const remapped = [['openzeppelin-contracts/', '@openzeppelin/'], ['solidity-utils/', '@bgd-labs/solidity-utils/src/']];

function read(path) {
  for (const [from, to] of remapped) if (path.startsWith(from)) path = to + path.slice(from.length);
  for (const file of ['node_modules/' + path, path]) {
    if (fs.existsSync(file)) return {contents: fs.readFileSync(file, 'utf8')};
  }
  return {error: 'no file ' + path};
}

const sources = {};
for (const path of process.argv.slice(2)) sources[path] = {content: read(path).contents};
const input = {
  language: 'Solidity', sources,
  settings: {evmVersion: 'shanghai', outputSelection: {'*': {'*': ['abi', 'evm.bytecode.object', 'evm.bytecode.linkReferences', 'evm.methodIdentifiers']}}},
};
const output = JSON.parse(solc.compile(JSON.stringify(input), {import: read}));
const errors = (output.errors || []).filter((e) => e.severity === 'error');
if (errors.length) {
  console.error(errors.map((e) => e.formattedMessage).join('\n'));
  process.exit(1);
}
const compiled = {};
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
