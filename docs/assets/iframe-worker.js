// A page opened from disk may not start a Web Worker, and the search runs in one. Here a hidden frame takes its place:
// the script runs in the frame's window, and messages cross as events.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inside = frame.contentWindow
      this.inside.postMessage = data => this.receive(data)
      this.inside.importScripts = (...scripts) => Promise.all(scripts.map(script => this.load(script)))
      this.load(address).then(() => {
        const waiting = this.waiting
        this.waiting = null
        waiting.forEach(data => this.postMessage(data))
      })
    }

    load(address) {
      const script = this.inside.document.createElement("script")
      script.src = new URL(address, location)
      const loaded = new Promise(resolve => { script.onload = resolve })
      this.inside.document.body.append(script)
      return loaded
    }

    receive(data) {
      const event = new MessageEvent("message", { data })
      if (this.onmessage) this.onmessage(event)
      this.dispatchEvent(event)
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data)
      else this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data }))
    }

    terminate() { this.inside.frameElement.remove() }
  }
}
