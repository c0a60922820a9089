// Postal codes are read once at the start into a map and looked up for ever after.
//
// expect: healthy
package main

import (
	"fmt"

	"scenarios/load"
)

var codes = make(map[string]string)

func readCodes() {
	for i := 0; i < 200000; i++ {
		codes[fmt.Sprintf("%06d", i)] = fmt.Sprintf("town number %d", i*7)
	}
}

var found int

func main() {
	readCodes()
	go load.Every(12000, func(number int) {
		if codes[fmt.Sprintf("%06d", load.Random(number)%200000)] != "" {
			found++
		}
	})
	load.Serve()
}
