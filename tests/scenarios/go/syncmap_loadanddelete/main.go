// A batching store drains a sync.Map into a batch: it collects the keys with Range and takes each one
// out with LoadAndDelete.
//
// expect: syncmap-clear-by-delete
package main

import (
	"fmt"
	"sync"

	"scenarios/load"
)

type point struct {
	series string
	value  float64
}

type batcher struct {
	points sync.Map
	sent   int
}

func (b *batcher) drain() []point {
	var keys []any
	b.points.Range(func(key, _ any) bool { // <- keeps
		keys = append(keys, key)
		return true
	})
	batch := make([]point, 0, len(keys))
	for _, key := range keys {
		if value, ok := b.points.LoadAndDelete(key); ok { // <- keeps
			batch = append(batch, value.(point))
		}
	}
	return batch
}

func main() {
	b := &batcher{}
	go load.Every(25000, func(number int) {
		name := fmt.Sprintf("cpu.%d", number)
		b.points.Store(name, point{name, float64(number)})
	})
	go load.Every(2, func(int) { b.sent += len(b.drain()) })
	load.Serve()
}
