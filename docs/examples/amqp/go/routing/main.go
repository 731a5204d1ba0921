// Routing: a subscriber gets only the kinds of messages that it asked for.
package main

import (
	"fmt"
	"log"

	"duolog.example/amqp/internal/broker"
)

func main() {
	connection, channel := broker.Connect()
	defer connection.Close()
	broker.Must(channel.ExchangeDeclare("example.logs", "direct", false, false, false, false, nil))

	errors := broker.Queue(channel)
	broker.Must(channel.QueueBind(errors, "error", "example.logs", false, nil))
	everything := broker.Queue(channel)
	for _, severity := range []string{"info", "warning", "error"} {
		broker.Must(channel.QueueBind(everything, severity, "example.logs", false, nil))
	}

	for _, severity := range []string{"info", "error", "warning"} {
		broker.Send(channel, "example.logs", severity, severity)
	}

	if texts := broker.Received(channel, errors); fmt.Sprint(texts) != "[error]" {
		log.Fatalf("errors: %v", texts)
	}
	if texts := broker.Received(channel, everything); fmt.Sprint(texts) != "[info error warning]" {
		log.Fatalf("everything: %v", texts)
	}
	fmt.Println("one queue has the errors, the other has all")
	broker.Must(channel.ExchangeDelete("example.logs", false, false))
}
