// A service that reloads its rules once, in the middle of the window: 24 MB more from one moment to the
// next, and then nothing.
//
// expect: healthy
package main

import (
	"fmt"

	"scenarios/load"
)

type rule struct {
	match, action string
	hits          [20]int
}

var (
	rules   map[string]*rule
	scratch [64][]byte
)

func reload() {
	fresh := make(map[string]*rule)
	for i := 0; i < 80000; i++ {
		match := fmt.Sprintf("/area/%d/*", i)
		fresh[match] = &rule{match: match, action: fmt.Sprintf("pool-%d", i%40)}
	}
	rules = fresh
}

func main() {
	go load.Every(2000, func(number int) {
		if number == 12*2000 {
			reload()
		}
		scratch[number%64] = make([]byte, 500+number%3000)
	})
	load.Serve()
}
