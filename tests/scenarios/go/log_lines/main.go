// The exporter of the day's log: 1 KiB lines are gathered in a slice of a struct, to be flushed at the
// end, which never comes.
//
// expect: growing-slice
// quick: 16
package main

import (
	"fmt"
	"strings"

	"scenarios/load"
)

type exporter struct {
	lines []string
}

var padding = strings.Repeat(".", 400)

func (e *exporter) add(number int) {
	line := fmt.Sprintf("%d %s", number, padding) // <- keeps
	e.lines = append(e.lines, line)               // <- keeps
}

func main() {
	e := &exporter{}
	go load.Every(4000, e.add)
	load.Serve()
}
