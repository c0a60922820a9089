// A cache whose entries live four seconds, swept twice a second. It fills for four seconds and then
// stays as it is.
//
// expect: healthy
package main

import (
	"fmt"
	"sync"
	"time"

	"scenarios/load"
)

type entry struct {
	value   string
	expires time.Time
}

type cache struct {
	mu      sync.Mutex
	entries map[string]entry
}

func (c *cache) set(key, value string) {
	c.mu.Lock()
	c.entries[key] = entry{value, time.Now().Add(4 * time.Second)}
	c.mu.Unlock()
}

func (c *cache) sweep() {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if now.After(e.expires) {
			delete(c.entries, key)
		}
	}
}

func main() {
	c := &cache{entries: map[string]entry{}}
	go load.Every(6000, func(number int) { c.set(fmt.Sprintf("price/%d", number), "9.99 per piece") })
	go load.Every(2, func(int) { c.sweep() })
	load.Serve()
}
