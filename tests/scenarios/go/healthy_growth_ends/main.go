// An index is built at an even pace for the first half of the window; then it is complete and only
// read.
//
// expect: healthy
// window: 30
package main

import (
	"fmt"

	"scenarios/load"
)

type posting struct {
	document int
	excerpt  string
}

var index = map[int][]posting{}

func step(number int) {
	const documents = 150000 // done after 15 s
	if number < documents {
		term := number % 50000
		index[term] = append(index[term], posting{number, fmt.Sprintf("document %d begins thus", number)})
		return
	}
	answer := make([]posting, 0, 16)
	_ = append(answer, index[number%50000]...)
}

func main() {
	go load.Every(10000, step)
	load.Serve()
}
