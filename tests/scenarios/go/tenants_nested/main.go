// tenant -> key -> value in a map[string]map[string]string, as in many configuration caches: nothing
// bounds the inner maps.
//
// expect: unbounded-nested-map
// quick: 12
package main

import (
	"fmt"
	"sync"

	"scenarios/load"
)

type ConfigCache struct {
	mu   sync.RWMutex
	data map[string]map[string]string
}

func (c *ConfigCache) SetConfig(tenant, key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	inner, ok := c.data[tenant]
	if !ok {
		inner = make(map[string]string)
		c.data[tenant] = inner
	}
	inner[key] = value // <- keeps
}

var cache = ConfigCache{data: make(map[string]map[string]string)}

func request(number int) {
	tenant := fmt.Sprintf("tenant-%d", load.Random(number)%300)
	cache.SetConfig(tenant, fmt.Sprintf("trace/%016x", load.Random(-number)), "done")
}

func main() {
	go load.Every(12000, request)
	load.Serve()
}
