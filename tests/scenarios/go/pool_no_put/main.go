// A handler takes its 10 KiB buffer from a sync.Pool and never puts it back.
//
// expect: pool-get-without-put
package main

import (
	"bytes"
	"sync"

	"scenarios/load"
)

var buffers = sync.Pool{
	New: func() any {
		return bytes.NewBuffer(make([]byte, 0, 10<<10)) // <- keeps
	},
}

var written int

func render(number int) {
	buffer := buffers.Get().(*bytes.Buffer) // <- keeps
	buffer.Reset()
	buffer.WriteString("{\"status\":\"ok\"}")
	written += buffer.Len()
}

func main() {
	go load.Every(1500, render)
	load.Serve()
}
