// Uploads a file by tus-js-client as a browser would, broken off in the middle and resumed by its URL.
// Arguments: the server, a token, the channel, the file. It prints the upload's URL.
import { createReadStream, statSync } from 'node:fs'
import * as tus from 'tus-js-client'

const [url, token, channel, file] = process.argv.slice(2)

function options(extra) {
  return {
    endpoint: `${url}/v1/media/uploads`,
    headers: { Authorization: `Bearer ${token}` },
    metadata: { channel, filename: 'from tus-js-client.bin', filetype: 'application/octet-stream' },
    uploadSize: statSync(file).size,
    chunkSize: 300_000,
    retryDelays: [0, 200, 400, 800],
    ...extra,
  }
}

// The first one is left after a third of the file, without a word to the server.
const at = await new Promise((resolve, reject) => {
  const upload = new tus.Upload(createReadStream(file), options({
    onError: reject,
    onSuccess: () => reject(new Error('it was not broken off')),
    onChunkComplete: (_size, accepted, total) => {
      if (accepted > total / 3) {
        upload.abort(false).then(() => resolve(upload.url), reject)
      }
    },
  }))
  upload.start()
})

// The second one asks how far it is, and goes on there.
await new Promise((resolve, reject) => {
  let first = true
  const upload = new tus.Upload(createReadStream(file), options({
    uploadUrl: at,
    onError: reject,
    onSuccess: resolve,
    onProgress: (sent, total) => {
      if (first && sent < total / 4) {
        reject(new Error(`it began anew, at ${sent} of ${total}`))
      }
      first = false
    },
  }))
  upload.start()
})
console.log(at)
