// A spike of traffic fills a map of idempotency keys with large values within seconds; a janitor
// deletes expired keys. The few that are left live in the tables of the spike.
//
// expect: map-kept-after-clear
// window: 30
package main

import (
	"sync"
	"time"

	"scenarios/load"
)

type response struct {
	at     time.Time
	status int
	digest [64]byte
}

type window struct {
	mu   sync.Mutex
	keys map[uint64]response
}

func (w *window) remember(key uint64, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[key] = response{at: time.Now(), status: status} // <- keeps
}

func (w *window) expire(age time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, r := range w.keys {
		if time.Since(r.at) > age {
			delete(w.keys, key)
		}
	}
}

func main() {
	w := &window{keys: map[uint64]response{}}
	go load.Every(100, func(number int) {
		requests := 10
		if number > 200 && number < 600 {
			requests = 2500
		}
		for i := 0; i < requests; i++ {
			w.remember(load.Random(number*4096+i), 200)
		}
		if number%200 == 0 {
			w.expire(4 * time.Second)
		}
	})
	load.Serve()
}
