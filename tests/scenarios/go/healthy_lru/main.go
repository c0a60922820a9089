// A bounded LRU cache of rendered pages, container/list and a map: 20 000 entries, the least recently
// used goes first.
//
// expect: healthy
package main

import (
	"container/list"
	"sync"

	"scenarios/load"
)

type page struct {
	key  int
	html []byte
}

type LRU struct {
	mu    sync.Mutex
	most  int
	order *list.List
	pages map[int]*list.Element
}

func (c *LRU) Get(key int) *page {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.pages[key]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*page)
	}
	p := &page{key, make([]byte, 400+key%400)}
	c.pages[key] = c.order.PushFront(p)
	if c.order.Len() > c.most {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.pages, last.Value.(*page).key)
	}
	return p
}

func main() {
	cache := &LRU{most: 20000, order: list.New(), pages: map[int]*list.Element{}}
	go load.Every(10000, func(number int) {
		if number%4 == 0 {
			cache.Get(int(load.Random(number) % 2000000))
		} else {
			cache.Get(int(load.Random(number) % 5000))
		}
	})
	load.Serve()
}
