// A per-tick window of counters is emptied many times a second. It once held 400 000 keys, so every
// clearing walks all of its tables, for a handful of entries.
//
// expect: map-clear-hot
package main

import (
	"sync"

	"scenarios/load"
)

type window struct {
	mu     sync.Mutex
	counts map[int]int
}

func (w *window) add(client int) {
	w.mu.Lock()
	w.counts[client]++
	w.mu.Unlock()
}

func (w *window) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for client := range w.counts { // <- keeps
		delete(w.counts, client) // <- keeps
	}
}

var current = &window{counts: make(map[int]int, 400000)}

func main() {
	go load.Every(2000, func(number int) { current.add(number % 500) })
	go load.Every(150, func(int) { current.reset() })
	load.Serve()
}
