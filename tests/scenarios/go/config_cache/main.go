// A configuration service caches every answer in a map[string]string under a mutex. The key holds the
// request's trace id, so that it grows with every request: hot.
//
// expect: unbounded-map
// quick: 8
package main

import (
	"fmt"
	"sync"

	"scenarios/load"
)

type Cache struct {
	mu      sync.RWMutex
	entries map[string]string
}

func (c *Cache) Get(key string) (string, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	value, ok := c.entries[key]
	return value, ok
}

func (c *Cache) SetConfig(key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[key] = value // <- keeps
}

var cache = &Cache{entries: map[string]string{}}

func handle(number int) {
	key := fmt.Sprintf("tenant-%d/trace-%016x", number%50, load.Random(number))
	if _, ok := cache.Get(key); !ok {
		cache.SetConfig(key, "timeout=30s")
	}
}

func main() {
	go load.Every(15000, handle)
	load.Serve()
}
