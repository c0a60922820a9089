// A sync.Pool as it is meant: buffers are taken for a request and put back after it.
//
// expect: healthy
package main

import (
	"bytes"
	"sync"

	"scenarios/load"
)

var buffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 10<<10)) }}

var written int

func render(number int) {
	buffer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	buffer.Reset()
	for i := 0; i < number%20; i++ {
		buffer.WriteString("{\"status\":\"ok\"}")
	}
	written += buffer.Len()
}

func main() {
	go load.Every(5000, render)
	load.Serve()
}
