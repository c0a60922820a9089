// tenant -> key -> value, bounded: at most 100 keys per tenant, and tenants that were not seen for five
// seconds go.
//
// expect: healthy
package main

import (
	"fmt"
	"sync"
	"time"

	"scenarios/load"
)

type tenant struct {
	values map[string]string
	used   time.Time
}

type cache struct {
	mu      sync.Mutex
	tenants map[int]*tenant
}

func (c *cache) set(id int, key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tenants[id]
	if t == nil {
		t = &tenant{values: map[string]string{}}
		c.tenants[id] = t
	}
	t.used = time.Now()
	if len(t.values) >= 100 {
		for old := range t.values {
			delete(t.values, old)
			break
		}
	}
	t.values[key] = value
}

func (c *cache) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, t := range c.tenants {
		if time.Since(t.used) > 5*time.Second {
			delete(c.tenants, id)
		}
	}
}

func main() {
	c := &cache{tenants: map[int]*tenant{}}
	go load.Every(10000, func(number int) {
		id := int(load.Random(number)%40) + number/50000*10
		c.set(id, fmt.Sprintf("trace/%d", number), "done")
	})
	go load.Every(1, func(int) { c.expire() })
	load.Serve()
}
