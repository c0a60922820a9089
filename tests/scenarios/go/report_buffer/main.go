// A report endpoint puts a page of a megabyte together in a bytes.Buffer that starts empty.
//
// expect: large-temporaries
package main

import (
	"bytes"

	"scenarios/load"
)

var row = []byte("<tr><td>article</td><td>in stock</td><td>9.99</td></tr>\n")

func render(rows int) []byte {
	var page bytes.Buffer
	page.WriteString("<table>")
	for i := 0; i < rows; i++ {
		page.Write(row) // <- keeps
	}
	return page.Bytes()
}

var sent int

func main() {
	go load.Every(12, func(number int) { sent += len(render(15000 + number%3000)) })
	load.Serve()
}
