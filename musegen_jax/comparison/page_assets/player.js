"use strict";
// Plays the samples of the page, one at a time. WebAudioTinySynth is the
// instrument; when each note sounds is decided here.
(() => {
  const AHEAD = 0.25; // Seconds that are handed to the instrument in advance.
  const AHEAD_UNSEEN = 1.5; // A page in the background is woken once a second.
  const LEAD = 0.1;
  const TAIL = 0.6;
  const samples = JSON.parse(document.getElementById("samples").textContent);
  const boxes = [...document.querySelectorAll(".sample[data-sample]")];
  let synthesizer = null;
  let context = null;
  let playing = null;

  // [seconds, on, channel, pitch, velocity, program], ends before starts.
  function eventsOf(sample) {
    const events = [];
    for (const [start, length, pitch, velocity, channel, program] of sample.notes) {
      events.push([start / 1000, 1, channel, pitch, velocity, program]);
      events.push([(start + length) / 1000, 0, channel, pitch, 0, program]);
    }
    return events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  }

  function clock(seconds) {
    const whole = Math.floor(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  }

  function show(box, seconds) {
    const sample = samples[box.dataset.sample];
    const at = Math.min(Math.max(seconds, 0), sample.seconds);
    const share = sample.seconds ? at / sample.seconds : 0;
    const bar = box.querySelector("input");
    bar.value = at;
    bar.setAttribute("aria-valuetext", `${clock(at)} of ${clock(sample.seconds)}`);
    box.querySelector(".head").style.transform = `translateX(${100 * share - 100}%)`;
    box.querySelector(".now").textContent = clock(at);
  }

  function mark(box, on) {
    box.dataset.state = on ? "playing" : "stopped";
    box.querySelector(".play").setAttribute("aria-pressed", String(on));
  }

  function position() {
    return context.currentTime - playing.began;
  }

  function feed() {
    const horizon = position() + (document.hidden ? AHEAD_UNSEEN : AHEAD);
    const { events, began } = playing;
    for (; playing.next < events.length; playing.next++) {
      const [at, on, channel, pitch, velocity, program] = events[playing.next];
      if (at >= horizon) break;
      if (on) synthesizer.setProgram(channel, program);
      synthesizer.send([(on ? 0x90 : 0x80) | channel, pitch, velocity], began + at);
    }
    if (position() > samples[playing.box.dataset.sample].seconds + TAIL) stop();
  }

  function draw() {
    if (!playing) return;
    show(playing.box, position());
    requestAnimationFrame(draw);
  }

  function silence() {
    clearInterval(playing.timer);
    for (let channel = 0; channel < 16; channel++) synthesizer.allSoundOff(channel);
    playing = null;
  }

  function stop() {
    if (!playing) return;
    const { box } = playing;
    silence();
    mark(box, false);
    show(box, 0);
  }

  // In a click: phones let a page make sound only from there.
  function play(box, from) {
    if (!synthesizer) {
      synthesizer = new WebAudioTinySynth();
      context = synthesizer.getAudioContext();
    }
    context.resume();
    if (playing && playing.box !== box) stop();
    if (playing) silence();
    const events = eventsOf(samples[box.dataset.sample]);
    const first = events.findIndex(([at, on]) => on && at >= from);
    playing = {
      box,
      events,
      next: first < 0 ? events.length : first,
      began: context.currentTime + LEAD - from,
      timer: setInterval(feed, 50),
    };
    mark(box, true);
    draw();
  }

  if (!window.AudioContext && !window.webkitAudioContext) return;
  document.documentElement.classList.add("can-play");
  for (const box of boxes) {
    const bar = box.querySelector("input");
    box.querySelector(".play").addEventListener("click", () => {
      if (playing && playing.box === box) stop();
      else play(box, Number(bar.value));
    });
    const seek = (at) => {
      if (playing && playing.box === box) play(box, at);
      else show(box, at);
    };
    bar.addEventListener("input", () => seek(Number(bar.value)));
    bar.addEventListener("pointerup", (event) => {
      // Some telephones move a slider only when its thumb is dragged.
      if (event.pointerType !== "touch") return;
      seek((Number(bar.max) * event.offsetX) / bar.clientWidth);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stop();
  });
})();
