// Uploads that resume (tus 1.0): each file goes in pieces, and goes on where it stopped after a lost line, a closed page
// or a restarted phone. What is where stands in localStorage, under the file's name, size and time; the server knows how
// far it came.
const box = document.querySelector("[data-upload]");
const list = box.querySelector("[data-upload-list]");
const row = document.querySelector("#upload-row").content;
const say = box.dataset;
const csrf = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRF-Token"];
const tus = { "Tus-Resumable": "1.0.0" };
const pause = (ms) => new Promise((go) => setTimeout(go, ms));

class Refused extends Error {}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

function request(method, url, headers, body, onProgress, running) {
  return new Promise((done, failed) => {
    const xhr = new XMLHttpRequest();
    running.xhr = xhr;
    xhr.open(method, url);
    for (const [name, value] of Object.entries({ ...tus, "X-CSRF-Token": csrf(), Accept: "application/json", ...headers })) {
      xhr.setRequestHeader(name, value);
    }
    if (onProgress) xhr.upload.onprogress = (event) => onProgress(event.loaded);
    xhr.onload = () => done(xhr);
    xhr.onerror = xhr.ontimeout = xhr.onabort = () => failed(new TypeError("no line"));
    xhr.send(body ?? null);
  });
}

function refusal(xhr) {
  try {
    return new Refused(JSON.parse(xhr.responseText).detail);
  } catch {
    return new Refused(say.failed);
  }
}

class Upload {
  constructor(file) {
    this.file = file;
    this.key = `upload:${file.name}:${file.size}:${file.lastModified}`;
    this.running = {};
    this.element = row.cloneNode(true).firstElementChild;
    this.bar = this.element.querySelector("progress");
    this.note = this.element.querySelector("[data-note]");
    this.element.querySelector("[data-name]").textContent = file.name;
    this.element.querySelector("[data-stop]").addEventListener("click", () => this.stop());
    this.bar.max = Math.max(1, file.size);
    list.append(this.element);
  }

  async run() {
    for (let tries = 0; !this.stopped; ) {
      try {
        await this.attempt();
        localStorage.removeItem(this.key);
        this.element.remove();
        changed();
        return;
      } catch (error) {
        if (this.stopped) return;
        if (error instanceof Refused) {
          localStorage.removeItem(this.key);
          this.element.dataset.failed = "";
          this.note.textContent = error.message;
          this.note.classList.add("text-danger");
          return;
        }
        tries = this.moved ? 0 : tries + 1;
        this.moved = false;
        this.note.textContent = say.waiting;
        await Promise.race([pause(Math.min(30000, 1000 * 2 ** tries)), new Promise((go) => addEventListener("online", go, { once: true }))]);
      }
    }
  }

  async attempt() {
    await this.find();
    while (this.offset < this.file.size) {
      const piece = this.file.slice(this.offset, this.offset + Number(say.piece));
      const headers = { "Upload-Offset": String(this.offset), "Content-Type": "application/offset+octet-stream" };
      const answer = await request("PATCH", this.url, headers, piece, (sent) => this.show(this.offset + sent), this.running);
      if (answer.status === 409) {
        await this.find();
      } else if (answer.status === 204) {
        this.offset = Number(answer.getResponseHeader("Upload-Offset"));
        this.moved = true;
        this.show(this.offset);
      } else if (answer.status >= 500 || answer.status === 429) {
        throw new TypeError("busy");
      } else {
        throw refusal(answer);
      }
    }
  }

  // Where the upload is and how far: the one that was begun before, or a new one.
  async find() {
    this.url = this.url ?? localStorage.getItem(this.key);
    if (this.url) {
      const answer = await request("HEAD", this.url, {}, null, null, this.running);
      if (answer.status >= 500) throw new TypeError("busy");
      if (answer.status === 200 && Number(answer.getResponseHeader("Upload-Length")) === this.file.size) {
        this.offset = Number(answer.getResponseHeader("Upload-Offset"));
        this.show(this.offset);
        return;
      }
    }
    const headers = { "Upload-Length": String(this.file.size), "Upload-Metadata": `filename ${base64(this.file.name)}` };
    const answer = await request("POST", say.upload, headers, null, null, this.running);
    if (answer.status >= 500 || answer.status === 429) throw new TypeError("busy");
    if (answer.status !== 201) throw refusal(answer);
    this.url = answer.getResponseHeader("Location");
    this.offset = 0;
    localStorage.setItem(this.key, this.url);
  }

  async stop() {
    this.stopped = true;
    this.running.xhr?.abort();
    localStorage.removeItem(this.key);
    this.element.remove();
    if (this.url && !("failed" in this.element.dataset)) await request("DELETE", this.url, {}, null, null, {}).catch(() => {});
    changed();
  }

  show(offset) {
    this.bar.value = offset;
    this.note.textContent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(offset / this.bar.max);
  }
}

// The list shows itself again; many changes at once are one.
let waiting;
function changed() {
  clearTimeout(waiting);
  waiting = setTimeout(() => document.body.dispatchEvent(new CustomEvent("files-changed")), 300);
}

// One after another: a phone's line is not made faster by sharing it.
let queue = Promise.resolve();
function take(files) {
  for (const file of files) {
    const upload = new Upload(file);
    queue = queue.then(() => upload.run());
  }
}

const input = box.querySelector("input[type=file]");
input.addEventListener("change", () => {
  take(input.files);
  input.value = "";
});
const zone = box.querySelector(".upload-zone");
box.addEventListener("dragover", (event) => {
  event.preventDefault();
  zone.classList.add("over");
});
for (const name of ["dragleave", "drop"]) box.addEventListener(name, () => zone.classList.remove("over"));
box.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});
for (const one of box.querySelectorAll("[data-no-script]")) one.remove();

const events = new EventSource(say.events);
events.onmessage = (event) => {
  if (JSON.parse(event.data).state !== "uploading") changed();
};
addEventListener("pagehide", () => events.close());
