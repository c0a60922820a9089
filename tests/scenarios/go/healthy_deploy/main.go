// A deployment: templates are loaded and caches filled for three seconds, then connections come up
// slowly over ten seconds, a goroutine and buffers for each, and then they stay.
//
// expect: healthy
// window: 30
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"scenarios/load"
)

var templates = map[string]string{}

type connection struct {
	in   *bufio.Reader
	out  *bufio.Writer
	wake chan int
}

func (c *connection) serve() {
	for n := range c.wake {
		c.out.WriteString("page")
		c.out.Flush()
		_ = n
	}
}

func connect() *connection {
	c := &connection{
		in:   bufio.NewReaderSize(new(bytes.Buffer), 16384),
		out:  bufio.NewWriterSize(new(bytes.Buffer), 16384),
		wake: make(chan int),
	}
	go c.serve()
	return c
}

func main() {
	var connections []*connection
	go load.Every(100, func(number int) {
		switch {
		case number < 300:
			for i := 0; i < 200; i++ {
				templates[fmt.Sprintf("template/%d", number*200+i)] = strings.Repeat("p", 150)
			}
		case number < 1300 && number%2 == 0:
			connections = append(connections, connect())
		}
		if len(connections) > 0 {
			connections[number%len(connections)].wake <- number
		}
	})
	load.Serve()
}
