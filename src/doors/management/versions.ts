/** The version of RabbitMQ whose API this is: tools decide by it what they may ask for. The same as AMQP's server properties tell. */
export const RABBITMQ_VERSION = '3.13.0';
/** What RabbitMQ runs on; tools show it, and some take it apart. */
export const ERLANG_VERSION = '26.2';
/** What answers in truth. */
export const PRODUCT_NAME = 'Duolog';
