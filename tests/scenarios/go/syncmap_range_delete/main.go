// A sync.Map of seen events is emptied four times a second with Range and Delete.
//
// Under Go 1.19 the walk over what was deleted before takes most of the time, and deleting itself a
// tick of the profile in ten seconds or so: it takes a while to be seen.
//
// expect: syncmap-clear-by-delete
// window: 90
package main

import (
	"sync"

	"scenarios/load"
)

var events sync.Map

func clearEvents() {
	events.Range(func(key, _ any) bool {
		events.Delete(key) // <- keeps
		return true
	}) // <- keeps
}

func main() {
	go load.Every(30000, func(number int) { events.Store(load.Random(number), number) })
	go load.Every(4, func(int) { clearEvents() })
	load.Serve()
}
