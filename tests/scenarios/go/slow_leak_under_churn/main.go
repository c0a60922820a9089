// 50 KB/s are held by a list of finished jobs under 50 MB/s of healthy churn.
//
// expect: leak
// window: 120
package main

import (
	"bytes"

	"scenarios/load"
)

type job struct {
	previous *job
	input    [480]byte
}

var finished *job

func run(number int) {
	j := &job{previous: finished} // <- keeps
	j.input[0] = byte(number)
	finished = j
}

func churn(number int) {
	var page bytes.Buffer
	page.Grow(20000 + int(load.Random(number)%20000))
	page.WriteString("page")
}

func main() {
	go load.Every(1700, churn)
	go load.Every(100, run)
	load.Serve()
}
