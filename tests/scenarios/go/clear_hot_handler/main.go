// A shared scratch map is emptied in every handler, under a lock, by deleting what is done: the
// Range-and-delete loop walks the whole table for a few keys. Readers wait meanwhile.
//
// expect: map-clear-hot
package main

import (
	"sync"

	"scenarios/load"
)

type state struct {
	done  bool
	bytes int
}

var (
	mu      sync.RWMutex
	scratch = make(map[uint64]*state, 200000)
)

func sweep() int {
	mu.Lock()
	defer mu.Unlock()
	removed := 0
	for key, s := range scratch { // <- keeps
		if s.done {
			delete(scratch, key) // <- keeps
			removed++
		}
	}
	return removed
}

func handle(number int) {
	mu.Lock()
	for i := 0; i < 20; i++ {
		scratch[load.Random(number*20+i)] = &state{done: true, bytes: i}
	}
	mu.Unlock()
	sweep()
}

func main() {
	go load.Every(200, handle)
	go load.Every(500, func(number int) {
		mu.RLock()
		_ = scratch[uint64(number)]
		mu.RUnlock()
	})
	load.Serve()
}
