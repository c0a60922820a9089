// A consumer goroutine drops duplicate messages by remembering every id in a map[uint64]struct{}.
//
// expect: unbounded-map
package main

import "scenarios/load"

type message struct {
	id   uint64
	body []byte
}

type consumer struct {
	in        chan message
	seen      map[uint64]struct{}
	delivered int
}

func (c *consumer) run() {
	for m := range c.in {
		if _, dup := c.seen[m.id]; dup {
			continue
		}
		c.seen[m.id] = struct{}{} // <- keeps
		c.delivered += len(m.body)
	}
}

func main() {
	c := &consumer{in: make(chan message, 100), seen: map[uint64]struct{}{}}
	go c.run()
	go load.Every(30000, func(number int) {
		c.in <- message{load.Random(number - number%20), make([]byte, 128)}
		c.in <- message{load.Random(number), make([]byte, 128)}
	})
	load.Serve()
}
