// Drives a whole pod's life with grpc-js, which loads the proto files at run
// time, JSON names and all: what is written by hand in Node.js for CRI.
//
//   node client.js PROTO_DIR SOCKET IMAGE LOG_DIR
//
// IMAGE is pulled. Prints a line per step and exits with 1 at the first that is
// not as CRI says.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [protoDir, socket, image, logs] = process.argv.slice(2);
const definition = loader.loadSync('proto/cri/v1/api.proto', {
  includeDirs: [protoDir], keepCase: false, enums: String, defaults: true,
  longs: Number,
});
const {RuntimeService, ImageService} =
    grpc.loadPackageDefinition(definition).runtime.v1;
const target = `unix:${socket}`;
const credentials = grpc.credentials.createInsecure();
const clients = [
  new RuntimeService(target, credentials),
  new ImageService(target, credentials),
];

function call(method, request = {}) {
  const client = clients.find((c) => typeof c[method] === 'function');
  const deadline = Date.now() + 60000;
  return new Promise((resolve, reject) => {
    client[method](request, {deadline}, (error, response) => {
      if (error) {
        reject(error);
      } else {
        console.log(`ok: ${method}`);
        resolve(response);
      }
    });
  });
}

async function exec(containerId, exitCode, ...cmd) {
  const done = await call('ExecSync', {containerId, cmd, timeout: 30});
  assert.strictEqual(done.exitCode, exitCode, cmd.join(' '));
  return done.stdout.toString().trim();
}

async function state(containerId) {
  return (await call('ContainerStatus', {containerId})).status;
}

async function life() {
  const version = await call('Version');
  assert.strictEqual(version.runtimeName, 'gantry');
  const conditions = (await call('Status')).status.conditions;
  assert(conditions.find((c) => c.type === 'RuntimeReady').status);
  const pulled = await call('PullImage', {image: {image}});
  const images = (await call('ListImages')).images;
  assert(images.some((i) => i.id === pulled.imageRef), 'it is listed');

  const pod = {
    metadata: {name: 'node', namespace: 'clients', uid: 'node-1'},
    hostname: 'from-node', logDirectory: logs, labels: {app: 'node'},
    linux: {securityContext: {namespaceOptions: {pid: 'CONTAINER'}}},
  };
  const podSandboxId = (await call('RunPodSandbox', {config: pod}))
      .podSandboxId;
  const config = {
    metadata: {name: 'main'}, image: {image}, logPath: 'main.log',
    command: ['sh', '-c',
      'echo $COLOUR; trap "exit 7" TERM; while :; do sleep 0.1; done'],
    // bytes since CRI v1.36
    envs: [{key: 'COLOUR', value: Buffer.from('green')}],
    linux: {
      resources: {memoryLimitInBytes: 64 << 20},
      securityContext: {namespaceOptions: {pid: 'CONTAINER'}},
    },
  };
  const containerId = (await call('CreateContainer',
      {podSandboxId, config, sandboxConfig: pod})).containerId;
  assert.strictEqual((await state(containerId)).state, 'CONTAINER_CREATED');
  await call('StartContainer', {containerId});
  assert.strictEqual((await state(containerId)).state, 'CONTAINER_RUNNING');
  assert.strictEqual(await exec(containerId, 0, 'hostname'), 'from-node');
  assert.strictEqual(await exec(containerId, 0, 'sh', '-c', 'echo $COLOUR'),
      'green');
  await exec(containerId, 5, 'sh', '-c', 'exit 5');
  const stats = (await call('ContainerStats', {containerId})).stats;
  assert(stats.memory.workingSetBytes.value > 0, 'it uses memory');
  const listed = await call('ListContainers', {filter: {podSandboxId}});
  assert.deepStrictEqual(listed.containers.map((c) => c.id), [containerId]);

  await call('StopContainer', {containerId, timeout: 20});
  const ended = await state(containerId);
  assert.strictEqual(ended.state, 'CONTAINER_EXITED');
  assert.strictEqual(ended.exitCode, 7);
  const log = fs.readFileSync(path.join(logs, 'main.log'), 'utf8');
  assert.match(log, / stdout F green\n$/);

  await call('RemoveContainer', {containerId});
  await call('StopPodSandbox', {podSandboxId});
  await call('RemovePodSandbox', {podSandboxId});
  await assert.rejects(call('PodSandboxStatus', {podSandboxId}),
      {code: grpc.status.NOT_FOUND});
  await call('RemoveImage', {image: {image}});
  assert.strictEqual((await call('ListImages')).images.length, 0);
  console.log('ok: a whole life');
}

life().catch((error) => {
  console.error('FAILED:', error);
  process.exitCode = 1;
}).finally(() => clients.forEach((client) => client.close()));
