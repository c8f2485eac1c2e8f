// Forecourt's runtime for Node: asks the Runtime API for events, calls the handler, answers.
//
// Follows AWS's documented behaviour of the managed runtimes: CommonJS and ES modules, async, callback and streaming
// handlers, error documents, the context object, console. One socket, no HTTP library: an answer and the next `next`
// leave in one write, which our listener understands. While a handler runs the socket does not keep the event loop
// alive, so that an empty loop is noticed (`callbackWaitsForEmptyEventLoop`, a promise that never settles).
//
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html

import fs from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import path from 'node:path'
import { Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import util from 'node:util'

const ROOT = '/2018-06-01/runtime'
const EXIT_REJECTION = 128
const EXIT_EXCEPTION = 129
const STREAMING = Symbol('streaming')
const env = process.env

// ---- The Runtime API

class RuntimeApi {
  constructor (address) {
    this.address = address
    this.buffer = Buffer.alloc(0)
    this.replies = []
    const [host, port] = address.split(':')
    this.socket = net.connect(Number(port), host)
    this.socket.setNoDelay(true)
    this.socket.on('data', (data) => this.receive(data))
    // Forecourt has ended.
    this.socket.on('close', () => process.exit(0))
    this.socket.on('error', () => process.exit(0))
    this.nextRequest = `GET ${ROOT}/invocation/next HTTP/1.1\r\nHost: ${address}\r\n\r\n`
  }

  reply () {
    this.socket.ref()
    return new Promise((resolve) => this.replies.push(resolve))
  }

  next () {
    this.socket.write(this.nextRequest)
    return this.reply()
  }

  head (path, headers) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    return `POST ${ROOT}${path} HTTP/1.1\r\nHost: ${this.address}\r\n${lines.join('')}\r\n`
  }

  // Sends an answer and asks for the next event, which is returned.
  async answer (path, body, headers = {}) {
    const [accepted, next] = [this.reply(), this.reply()]
    this.post(path, body, headers, this.nextRequest)
    this.check(await accepted)
    return next
  }

  post (path, body, headers, followUp = '') {
    const bytes = Buffer.from(body)
    const head = this.head(path, { 'Content-Type': 'application/json', ...headers, 'Content-Length': bytes.length })
    this.socket.write(Buffer.concat([Buffer.from(head, 'latin1'), bytes, Buffer.from(followUp)]))
  }

  async initError (error) {
    this.post('/init/error', JSON.stringify(error), { 'Lambda-Runtime-Function-Error-Type': header(error.errorType) })
    await this.reply()
  }

  check (reply) {
    if (reply.status !== 202) {
      log('ERROR', [`LAMBDA_RUNTIME Failed to post handler response. Http response code: ${reply.status}.`])
    }
  }

  receive (data) {
    this.buffer = this.buffer.length ? Buffer.concat([this.buffer, data]) : data
    for (let reply = this.parse(); reply; reply = this.parse()) this.replies.shift()?.(reply)
  }

  parse () {
    const end = this.buffer.indexOf('\r\n\r\n')
    if (end < 0) return null
    const [status, ...lines] = this.buffer.toString('latin1', 0, end).split('\r\n')
    const headers = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
    }
    const length = Number(headers['content-length'])
    if (this.buffer.length < end + 4 + length) return null
    const body = this.buffer.toString('utf8', end + 4, end + 4 + length)
    this.buffer = this.buffer.subarray(end + 4 + length)
    return { status: Number(status.split(' ')[1]), headers, body }
  }
}

const header = (text) => String(text).replace(/[^\x20-\x7e]/g, '?')

// ---- Streamed responses: https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html

class ResponseStream extends Writable {
  constructor (api, requestId) {
    super({ highWaterMark: 64 * 1024 })
    Object.assign(this, { api, requestId, contentType: 'application/octet-stream', prelude: null, begun: false })
    this.finished = new Promise((resolve, reject) => { this.on('finish', resolve); this.on('error', reject) })
    this.finished.catch(() => {})
  }

  setContentType (type) {
    this.contentType = type
  }

  begin () {
    if (this.begun) return
    this.begun = true
    this.api.socket.write(this.api.head(`/invocation/${this.requestId}/response`, {
      'Content-Type': header(this.contentType),
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      'Transfer-Encoding': 'chunked',
      Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body'
    }))
    if (this.prelude) this.chunk(this.prelude, () => {})
  }

  chunk (data, done) {
    const bytes = Buffer.from(data)
    if (!bytes.length) return done()
    const size = Buffer.from(`${bytes.length.toString(16)}\r\n`)
    this.api.socket.write(Buffer.concat([size, bytes, Buffer.from('\r\n')]), done)
  }

  _write (data, encoding, done) {
    this.begin()
    this.chunk(typeof data === 'string' ? Buffer.from(data, encoding) : data, done)
  }

  _final (done) {
    this.begin()
    done()
  }

  // The end of the body, with or without an error, and the question for the next event.
  async close (error) {
    let trailers = ''
    if (error) {
      const body = Buffer.from(JSON.stringify(error)).toString('base64')
      const type = header(error.errorType)
      trailers = `Lambda-Runtime-Function-Error-Type: ${type}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n`
    }
    const [accepted, next] = [this.api.reply(), this.api.reply()]
    this.api.socket.write(`0\r\n${trailers}\r\n${this.api.nextRequest}`)
    this.api.check(await accepted)
    return next
  }
}

globalThis.awslambda = {
  streamifyResponse (handler, options) {
    handler[STREAMING] = true
    return handler
  },
  HttpResponseStream: {
    from (stream, metadata) {
      stream.setContentType('application/vnd.awslambda.http-integration-response')
      stream.prelude = Buffer.concat([Buffer.from(JSON.stringify(metadata)), Buffer.alloc(8)])
      return stream
    }
  }
}

// ---- Errors

class Fault extends Error {
  constructor (errorType, message, trace) {
    super(message)
    this.errorType = errorType
    this.trace = trace
  }
}

function describe (error) {
  if (error instanceof Fault) {
    return { errorType: error.errorType, errorMessage: error.message, trace: error.trace ?? [] }
  }
  if (util.types.isNativeError(error) || error instanceof Error) {
    const trace = String(error.stack ?? error).split('\n')
    return { errorType: error.name ?? 'Error', errorMessage: error.message ?? '', trace }
  }
  return { errorType: error === null ? 'null' : typeof error, errorMessage: String(error), trace: [] }
}

function logError (what, error) {
  const { errorType, errorMessage, trace } = describe(error)
  const extra = error instanceof Error && !(error instanceof Fault) ? { ...error } : {}
  log('ERROR', [`${what} `, JSON.stringify({ errorType, errorMessage, ...extra, stack: trace })], '\t')
}

// ---- Logging

let requestId
const PRIORITY = { TRACE: 0, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4, FATAL: 5 }
const lowest = PRIORITY[env.AWS_LAMBDA_LOG_LEVEL] ?? 0

function log (level, parts, separator) {
  if (PRIORITY[level] < lowest) return
  const timestamp = new Date().toISOString()
  const text = separator === undefined ? util.format(...parts) : parts.join(separator)
  if (env.AWS_LAMBDA_LOG_FORMAT === 'JSON') {
    const message = parts.length === 1 && typeof parts[0] === 'object' ? parts[0] : text
    process.stdout.write(JSON.stringify({ timestamp, level, requestId, message }) + '\n')
  } else {
    // A carriage return inside a line is a line break within the log event.
    process.stdout.write(`${timestamp}\t${requestId}\t${level}\t${text}`.replace(/\n/g, '\r') + '\n')
  }
}

const CONSOLE = { log: 'INFO', info: 'INFO', debug: 'DEBUG', warn: 'WARN', error: 'ERROR', trace: 'TRACE' }
for (const [name, level] of Object.entries(CONSOLE)) console[name] = (...parts) => log(level, parts)

// ---- The handler

async function loadHandler (taskRoot, text) {
  if (text.includes('..')) throw new Fault('Runtime.MalformedHandlerName', `'${text}' is not a valid handler name`)
  const base = path.basename(text)
  const dot = base.indexOf('.')
  if (dot < 1) throw new Fault('Runtime.MalformedHandlerName', 'Bad handler')
  const moduleName = base.slice(0, dot)
  const names = base.slice(dot + 1).split('.')
  const module = await loadModule(taskRoot, path.join(path.dirname(text), moduleName))
  let handler = names.reduce((value, name) => value?.[name], module)
  handler ??= names.reduce((value, name) => value?.[name], module?.default)
  if (handler === undefined) {
    throw new Fault('Runtime.HandlerNotFound', `${moduleName}.${names.join('.')} is undefined or not exported`)
  }
  if (typeof handler !== 'function') {
    throw new Fault('Runtime.HandlerNotFound', `${moduleName}.${names.join('.')} is not a function`)
  }
  return handler
}

async function loadModule (taskRoot, name) {
  const file = path.resolve(taskRoot, name)
  const require = createRequire(path.join(taskRoot, 'package.json'))
  try {
    for (const [extension, load] of [['', require], ['.js', loadJs], ['.mjs', loadEsModule], ['.cjs', require]]) {
      if (fs.statSync(file + extension, { throwIfNoEntry: false })?.isFile()) return await load(file + extension)
    }
    return require(require.resolve(name, { paths: [taskRoot] }))
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new Fault('Runtime.UserCodeSyntaxError', String(error), String(error.stack).split('\n'))
    }
    if (['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(error?.code)) {
      throw new Fault('Runtime.ImportModuleError', `Error: ${error.message}`, String(error.stack).split('\n'))
    }
    throw error
  }

  function loadEsModule (file) {
    return import(pathToFileURL(file))
  }

  async function loadJs (file) {
    return isEsModule(file) ? loadEsModule(file) : require(file)
  }
}

// The nearest package.json says what a .js file is.
function isEsModule (file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).type === 'module'
    } catch (error) {
      if (error.code !== 'ENOENT' || folder === path.dirname(folder)) return false
    }
  }
}

// ---- The context object: https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html

function makeContext (headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms'])
  const parse = (text) => (text ? JSON.parse(text) : undefined)
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parse(headers['lambda-runtime-client-context']),
    identity: parse(headers['lambda-runtime-cognito-identity']),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    tenantId: headers['lambda-runtime-tenant-id'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0)
  }
}

// ---- Answers of custom resources

// CDK's own handlers send theirs by https to the host of the address that the event has, whatever its scheme and port.
// The modules are asked for when such an event comes: no other function's start waits for them.
async function answerWhereAsked (address) {
  const { protocol, hostname, port } = new URL(address)
  if (protocol !== 'http:') return
  const [{ default: http }, { default: https }] = await Promise.all([import('node:http'), import('node:https')])
  const request = https.request.byDefault ?? https.request
  https.request = (...given) => {
    const options = given[0]
    const ours = options?.hostname === hostname && options.path?.startsWith('/_aws/cloudformation/')
    return ours ? http.request({ ...options, port }, ...given.slice(1)) : request(...given)
  }
  https.request.byDefault = request
}

// ---- The loop

let whenLoopIsEmpty = () => {}
process.on('beforeExit', () => whenLoopIsEmpty())

// Calls the handler; settles with its result as async function or through the callback, whichever comes first.
function run (handler, event, context) {
  return new Promise((resolve, reject) => {
    const settle = (error, result) => {
      whenLoopIsEmpty = () => {}
      if (error !== null && error !== undefined) reject(error)
      else resolve(result)
    }
    const callback = (error, result) => {
      if ((error !== null && error !== undefined) || !context.callbackWaitsForEmptyEventLoop) settle(error, result)
      else whenLoopIsEmpty = () => settle(null, result)
    }
    context.done = callback
    context.succeed = (result) => settle(null, result)
    context.fail = (error) => settle(error ?? new Error('handled'))
    whenLoopIsEmpty = () => settle(null, null)
    const result = handler(event, context, callback)
    if (typeof result?.then === 'function') {
      whenLoopIsEmpty = () => {
        const message = 'The Lambda runtime client detected an unexpected Node.js exit code. ' +
          'This is most commonly caused by a Promise that was never settled. ' +
          'For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes'
        die('Runtime.NodeJsExit', new Fault('Runtime.NodeJsExit', message), 1)
      }
      result.then((value) => settle(null, value), (error) => settle(error ?? new Error(String(error))))
    }
  })
}

async function serve (api, handler) {
  let reply = await api.next()
  for (;;) {
    requestId = reply.headers['lambda-runtime-aws-request-id']
    env._X_AMZN_TRACE_ID = reply.headers['lambda-runtime-trace-id']
    api.socket.unref()
    reply = await (handler[STREAMING] ? stream(api, handler, reply) : answer(api, handler, reply))
  }
}

async function answer (api, handler, { headers, body }) {
  try {
    const event = JSON.parse(body)
    if (event?.RequestType && event.ResponseURL) await answerWhereAsked(event.ResponseURL)
    const result = await run(handler, event, makeContext(headers))
    return await api.answer(`/invocation/${requestId}/response`, JSON.stringify(result === undefined ? null : result) ?? 'null')
  } catch (error) {
    return fail(api, error)
  }
}

async function stream (api, handler, { headers, body }) {
  const response = new ResponseStream(api, requestId)
  try {
    await handler(JSON.parse(body), response, makeContext(headers))
    await response.finished
  } catch (error) {
    if (!response.begun) return fail(api, error)
    logError('Invoke Error', error)
    return response.close(describe(error))
  }
  return response.close()
}

function fail (api, error) {
  logError('Invoke Error', error)
  const document = describe(error)
  const type = header(document.errorType)
  return api.answer(`/invocation/${requestId}/error`, JSON.stringify(document), { 'Lambda-Runtime-Function-Error-Type': type })
}

// ---- What ends the process

let api

function die (what, error, status) {
  logError(what, error)
  const document = describe(error)
  if (requestId === undefined) process.exit(status)
  const type = header(document.errorType)
  api.post(`/invocation/${requestId}/error`, JSON.stringify(document), { 'Lambda-Runtime-Function-Error-Type': type })
  api.reply().then(() => process.exit(status))
}

process.on('uncaughtException', (error) => die('Uncaught Exception', error, EXIT_EXCEPTION))
process.on('unhandledRejection', (reason) => {
  const message = util.types.isNativeError(reason) ? `${reason.name}: ${reason.message}` : String(reason)
  const fault = new Fault('Runtime.UnhandledPromiseRejection', message, String(reason?.stack ?? '').split('\n'))
  die('Unhandled Promise Rejection', fault, EXIT_REJECTION)
})

async function main () {
  api = new RuntimeApi(env.AWS_LAMBDA_RUNTIME_API)
  let handler
  try {
    handler = await loadHandler(env.LAMBDA_TASK_ROOT, env._HANDLER)
  } catch (error) {
    logError('Uncaught Exception', error)
    await api.initError(describe(error))
    process.exit(1)
  }
  await serve(api, handler)
}

main()
