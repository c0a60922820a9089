// An image cache holds a million thumbnails of mixed sizes; a flush drops all but the pinned ones,
// every sixtieth, which are spread over all spans.
//
// expect: fragmentation
// window: 30
package main

import (
	"sync"

	"scenarios/load"
)

type cache struct {
	mu     sync.Mutex
	images map[int][]byte
}

func (c *cache) fill(from, to int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := from; i < to; i++ {
		c.images[i] = make([]byte, 200+load.Random(i)%800)
	}
}

func (c *cache) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	pinned := make(map[int][]byte)
	for i, image := range c.images {
		if i%60 == 0 {
			pinned[i] = image
		}
	}
	c.images = pinned
}

func main() {
	c := &cache{images: make(map[int][]byte)}
	go load.Every(10, func(number int) {
		switch {
		case number < 50:
			c.fill(number*10000, (number+1)*10000)
		case number == 60:
			c.flush()
		}
	})
	load.Serve()
}
