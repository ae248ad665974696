/**
 * What the router refuses, in Chinese, by its English sentence (decision 0014): `{}` is a value, and `{2}` the second one,
 * where Chinese puts them in another order.
 */
export const zhSentences: Readonly<Record<string, string>> = {
  // Of every error code
  'The request could not be understood.': '无法理解这个请求。',
  'The LLM API refused the credentials in Settings. Test them there.':
    '大模型 API 拒绝了“设置”中的凭据。请在那里测试连接。',
  'LLM_BASE_URL leads back to this router, so the agent would call itself without end. Set the address of an LLM API in Settings.':
    'LLM_BASE_URL 指回了本路由器，智能体会无休止地调用自己。请在“设置”中填写大模型 API 的地址。',
  'Sign in, or send an API key as "Authorization: Bearer <key>".':
    '请登录，或以“Authorization: Bearer <key>”发送 API 密钥。',
  'The e-mail address or the password is wrong.': '电子邮箱或密码不正确。',
  'You are not allowed to do this.': '你没有权限执行此操作。',
  'This does not exist, or you have no access to it.': '内容不存在，或你无权访问。',
  'No agent serves that model.': '没有智能体提供该模型。',
  'This method is not supported here.': '这里不支持此方法。',
  'The body of the request came too slowly.': '请求正文传输得太慢。',
  'This conflicts with the current state.': '与当前状态冲突。',
  'An answer is still being written. Wait for it, or stop it first.': '还有一个回答正在生成。请等待完成，或先停止它。',
  'The request is too large.': '请求过大。',
  'This content type is not supported.': '不支持此内容类型。',
  'This address is not known to the router.': '路由器不认识这个地址。',
  'Some fields are invalid.': '有些内容填写有误。',
  'This Idempotency-Key was used for another request. Send a new key with a new request.':
    '此 Idempotency-Key 已用于另一个请求。新请求请使用新的键。',
  'This agent needs LLM credentials. Set them in Settings.': '此智能体需要大模型凭据，请在“设置”中填写。',
  'You have reached the limit of busy runners. Stop one first.': '忙碌的运行器已达上限，请先停止一个。',
  'Too many agents are starting or busy. Try again in a moment.': '正在启动或忙碌的智能体太多，请稍后再试。',
  'The budget is used up.': '预算已用完。',
  'This API key is used too fast. Try again in a moment.': '此 API 密钥使用过于频繁，请稍后再试。',
  'You have too many open requests. Try again when some of them have ended.':
    '你有太多进行中的请求，请等其中一些结束后再试。',
  'Too many attempts. Wait a little and try again.': '尝试次数过多，请稍等再试。',
  'Something went wrong here. The details are in the log under the request id.':
    '这里出错了。详情可按请求编号在日志中查看。',
  'The agent could not be started.': '智能体无法启动。',
  'The answer exceeds the maximum length. Ask for a shorter answer.': '回答超过了最大长度，请要求更短的回答。',
  'The agent ended in the middle of its answer. Try again.': '智能体在回答途中退出了，请重试。',
  'The LLM API could not be reached. Check LLM_BASE_URL.': '无法连接大模型 API。请检查 LLM_BASE_URL。',
  'This agent is switched off by the administrator.': '此智能体已被管理员关闭。',
  'The platform that runs this agent does not answer. Try again soon.': '运行此智能体的平台没有响应，请稍后再试。',
  'The router could not read or save this. Try again later.': '路由器无法读取或保存，请稍后再试。',
  'The browser is signed out, but that is not stored yet, because the database refuses it. If the router is restarted before it is, this sign-in is valid again.':
    '该浏览器已退出登录，但由于数据库拒绝写入，这一点尚未保存。如果路由器在保存之前重启，这次登录会重新有效。',
  'This conversation is in memory only: the database refuses it. It is stored as soon as that is possible.':
    '这个对话目前只在内存中：数据库拒绝写入。一旦可以写入就会保存。',
  'The router has too many open requests. Try again in a moment.': '路由器的进行中请求过多，请稍后再试。',
  'The router is restarting. Try again in a moment.': '路由器正在重启，请稍后再试。',
  'The agent took too long to start.': '智能体启动超时。',
  'The agent did not begin to answer in time. Try again.': '智能体没有及时开始回答，请重试。',
  'The agent stopped sending in the middle of its answer. Try again.': '智能体在回答途中停止了发送，请重试。',
  'The answer exceeded the time limit. Ask for a shorter answer.': '回答超过了时间限制，请要求更短的回答。',

  'Choose a file first.': '请先选择文件。',
  // Attached files
  'The file "{}" is larger than {}.': '文件“{}”超过 {}。',
  'The file "{}" is empty.': '文件“{}”是空的。',
  'The file "{}" is neither a picture (PNG, JPEG, GIF or WebP) nor text.':
    '文件“{}”既不是图片（PNG、JPEG、GIF 或 WebP），也不是文本。',
  'A message has at most {} files.': '一条消息最多可带 {} 个文件。',
  'The files of a message have at most {} together.': '一条消息的文件合计最多 {}。',
  'Your files would take more than {}. Delete conversations with files first.':
    '你的文件总量将超过 {}。请先删除一些带文件的对话。',
  'A conversation that is imported has at most {} bytes without attached files.':
    '导入的对话除附带的文件外最多 {} 字节。',
  'This agent takes no files.': '此智能体不接受文件。',
  'This is no address of a picture.': '这不是图片的地址。',
  'The file "{}" cannot be read.': '无法读取文件“{}”。',
  'There is no such file.': '没有这个文件。',
  // Variants of messages
  'Another variant of this message is shown now. Reload the page.': '现在显示的是这条消息的另一个版本，请刷新页面。',
  'Only messages of yours can be edited.': '只能编辑你自己的消息。',
  'Only an answer that has ended can be asked for again.': '只有已结束的回答才能重新生成。',

  // Accounts
  'There is no such user.': '没有这个用户。',
  'That is not your password.': '这不是你的密码。',
  'Not your password': '不是你的密码',
  'That invite code is not valid.': '邀请码无效。',
  'Not valid': '无效',
  'Your account is disabled. Ask the administrator.': '你的账号已停用，请联系管理员。',
  'Not an e-mail address': '不是有效的电子邮箱',
  'That e-mail address already has an account.': '该电子邮箱已有账号。',
  'Already has an account': '已有账号',
  'Sign in first.': '请先登录。',
  'Only the administrator may do this.': '只有管理员可以执行此操作。',
  'A whole number from 1 to {}': '1 到 {} 之间的整数',
  'A whole number from 1 to {}, or nothing': '1 到 {} 之间的整数，或留空',
  'There are {} invitations. Revoke some first.': '已有 {} 个邀请，请先撤销一些。',
  'There is no such invitation.': '没有这个邀请。',
  'This invitation is for {}': '此邀请仅限 {}',
  'This invitation is not valid any more. Ask the person who sent it for another.':
    '此邀请已失效，请向发送者索取新的邀请。',
  'This link is not valid any more. Ask the administrator for another.': '此链接已失效，请向管理员索取新的链接。',
  'You have {} keys. Revoke one you no longer use.': '你已有 {} 个密钥，请撤销不再使用的密钥。',
  'There is no such key.': '没有这个密钥。',
  'A key for some agents only opens /v1 only: the other scopes reach all of them':
    '仅限部分智能体的密钥只能访问 /v1：其他范围涉及所有智能体',
  'A moment that is still to come': '必须是将来的时间',
  'At least {} characters': '至少 {} 个字符',
  'At most {} characters': '最多 {} 个字符',
  'Between 1 and {} characters': '1 到 {} 个字符',
  'One of the most common passwords, which are guessed first': '这是最常见的密码之一，很容易被猜到',
  'Too many people sign in at this moment. Try again in a few seconds.': '此刻登录的人太多，请几秒后再试。',
  'Sign-up is closed. Ask the administrator.': '注册已关闭，请联系管理员。',
  'Nobody but the administrator signs in with a password here.': '这里只有管理员使用密码登录。',
  'The e-mail address or the password is wrong. Only the administrator signs in with a password here.':
    '电子邮箱或密码不正确。这里只有管理员使用密码登录。',
  'That is not your e-mail address.': '这不是你的电子邮箱。',
  'Not your e-mail address': '不是你的电子邮箱',
  // The OpenID Connect provider
  'The sign-in service does not answer right now. Try again in a moment, or ask the administrator.':
    '登录服务目前没有响应。请稍后再试，或联系管理员。',
  'The sign-in service is not set up right. Ask the administrator.': '登录服务的配置有误，请联系管理员。',
  'The sign-in service did not confirm an e-mail address of yours. Ask the administrator.':
    '登录服务没有确认你的电子邮箱，请联系管理员。',
  'The sign-in service could not finish the sign-in. Begin again, or ask the administrator.':
    '登录服务未能完成登录。请重新开始，或联系管理员。',
  'You did not sign in at the sign-in service, or it did not let you in.':
    '你没有在登录服务登录，或登录服务没有允许你登录。',
  'This sign-in took too long, or was begun in another tab. Begin again.':
    '此次登录用时过长，或是在另一个标签页中开始的。请重新开始。',
  'E-mail addresses of {} may not sign in here.': '{} 的电子邮箱不能在此登录。',
  'This account is linked to another person at the sign-in service. Ask the administrator.':
    '此账号在登录服务中已关联到另一个人，请联系管理员。',
  'You are linked to another account here already. Ask the administrator to unlink it.':
    '你在这里已关联到另一个账号，请联系管理员取消关联。',
  'You have no account here yet. Ask the administrator for one.': '你在这里还没有账号，请向管理员申请。',
  'There is an account with your address. Sign in with its password, and link it in Settings. If you did not make it, ask the administrator.':
    '已有使用你电子邮箱的账号。请用其密码登录，然后在“设置”中关联。如果该账号不是你创建的，请联系管理员。',
  'This invitation is for {}.': '此邀请仅限 {}。',
  'You have no such session.': '你没有这个登录会话。',
  'Too many attempts. Try again in {} min.': '尝试次数过多，请在 {} 分钟后再试。',
  'Too many attempts at once. Try again in a moment.': '同时尝试过多，请稍后再试。',
  'A runner of this user cannot be stopped, because its platform does not answer. The user is disabled, and deleted when it answers.':
    '平台没有响应，无法停止该用户的一个运行器。该用户已停用，平台恢复响应后会被自动删除。',
  'This user is not deleted.': '该用户未被删除。',
  'This user is being deleted.': '该用户正在被删除。',
  'That is not the name of this user': '这不是该用户的名字',
  'Must be one line without control characters': '必须为一行，且不含控制字符',

  // Agents, conversations, messages
  'There is no such agent.': '没有这个智能体。',
  'There is no such schedule.': '没有这个定时。',
  'Write what the agent is asked': '请写下发给智能体的内容',
  'This time never comes': '这个时间永远不会到来',
  'At most every {} minutes': '最多每 {} 分钟一次',
  'There is no such time zone. Say for example Europe/Berlin, America/New_York or UTC':
    '没有这个时区。例如 Europe/Berlin、America/New_York 或 UTC',
  'Not understood. Say for example "every weekday at 8", "every hour" or "every monday and friday at 17:30", or a cron expression such as "0 8 * * 1-5"':
    '无法识别。例如 "every weekday at 8"、"every hour"、"every monday and friday at 17:30"，或 "0 8 * * 1-5" 这样的 cron 表达式',
  'You have {} schedules, which is as many as you may have. Delete one first.':
    '你有 {} 个定时，已达到上限。请先删除一个。',
  'There is no such conversation.': '没有这个对话。',
  'There is no such message.': '没有这条消息。',
  'There is no backend "{}".': '没有名为“{}”的后端。',
  'Give it a name': '请填写名称',
  'Write a message first': '请先写点内容',
  'Still missing': '仍未填写',
  'The backend of this agent is no longer configured.': '此智能体的后端已不再配置。',
  'The backend "{}" is no longer configured.': '后端“{}”已不再配置。',
  'The agent reported an error.': '智能体报告了一个错误。',
  'The agent cannot be reached right now. Try again in a moment.': '目前无法联系智能体，请稍后再试。',
  'The agent closed the connection without an answer.': '智能体没有回答就关闭了连接。',
  'The agent sent something that is not a valid HTTP answer. Its log may say why.':
    '智能体发送的内容不是有效的 HTTP 响应，其日志可能说明了原因。',
  'The agent answered {}.': '智能体返回了 {}。',
  'The agent was stopped before its answer was complete.': '智能体在完成回答之前被停止。',
  'The agent could not be reached any more and was stopped. Send the message again to restart it.':
    '无法再联系智能体，已将其停止。重新发送消息即可重启。',
  'The agent was deleted.': '智能体已被删除。',
  'The start was stopped.': '启动已被停止。',
  '{} is switched off.': '{} 已被关闭。',
  '{} could not start': '{} 无法启动',
  '{} could not start: {}.': '{} 无法启动：{}。',
  'The agent stopped: {}.': '智能体已停止：{}。',
  'it disappeared': '它消失了',
  'it ran out of memory': '内存不足',
  'it ended': '它自行结束了',
  'it ended with exit code {}': '它已结束，退出码 {}',
  'it was ended by {}': '它被 {} 终止',
  '{} cannot run here.': '{} 无法在这里运行。',
  'You have {} busy or starting, which is the limit per user. Stop one, or wait until one is done.':
    '你有 {} 正忙碌或启动中，已达每位用户的上限。请停止一个，或等待其中一个完成。',
  'The agent waited {} s for its turn to start: too many others are starting or busy. Try again in a moment.':
    '智能体等待启动已达 {} 秒：正在启动或忙碌的其他智能体太多。请稍后再试。',
  '{} was started but did not become ready within {} s ({}).': '{} 已启动，但未能在 {} 秒内就绪（{}）。',
  'The agent is paused on its platform.': '智能体在平台上处于暂停状态。',
  'Resume it there.': '请在那里恢复它。',
  'The router was restarted in the middle of this answer. Try again.': '路由器在回答途中重启了，请重试。',

  // Credentials
  '{} needs {}. {}Set {} in Settings → Model.': '{} 需要 {}。{3}请在“设置 → 模型”中填写。',
  'You have set an address of your own, and the shared key never goes to another address: set a key of your own too, or remove your address to use what is shared.':
    '你设置了自己的接口地址，而共享的密钥不会发往其他地址：请同时设置自己的密钥，或移除你的地址以使用共享凭据。',
  'You have set a key of your own, and it never goes to the shared address by itself: set an address too, or remove your key to use what is shared.':
    '你设置了自己的密钥，它不会自动发往共享的地址：请同时设置接口地址，或移除你的密钥以使用共享凭据。',
  'Enter an address to try': '请填写要测试的地址',
  'Enter a key to try': '请填写要测试的密钥',
  'Enter the key for this address: a stored one stays with its own':
    '请填写此地址的密钥：已保存的密钥只用于它原来的地址',
  'Has characters that no key can have': '含有密钥中不可能出现的字符',
  'LLM_BASE_URL: no address is known for "{}". Check its spelling.': 'LLM_BASE_URL：找不到“{}”的地址，请检查拼写。',
  'LLM_BASE_URL: {}.': 'LLM_BASE_URL：{}。',
  'LLM_BASE_URL answers with a redirect. Set the address it redirects to.':
    'LLM_BASE_URL 返回了重定向，请填写重定向后的地址。',
  'Private addresses are not called here (the administrator can set ALLOW_PRIVATE_UPSTREAMS)':
    '这里不会访问内网地址（管理员可以设置 ALLOW_PRIVATE_UPSTREAMS）',
  'That is the router itself. Set the address of an LLM API': '这是路由器自身的地址，请填写大模型 API 的地址',
  'That is what runs the agents. Set the address of an LLM API': '这是运行智能体的平台，请填写大模型 API 的地址',
  'Link-local, metadata and other special addresses are never called': '不会访问链路本地、元数据等特殊地址',
  'Must be an http or https address, such as https://api.openai.com/v1':
    '必须是 http 或 https 地址，例如 https://api.openai.com/v1',
  'Must be a plain address and path, without user, query, #, spaces, or . and .. as parts of the path':
    '必须是普通的地址和路径，不含用户名、查询、#、空格，也不含 . 或 .. 路径段',

  // Of platforms, for the administrator
  'The engine does not answer: {}.': '引擎没有响应：{}。',
  'Is the Docker engine running, and may this user open its socket? Try: docker version':
    'Docker 引擎是否在运行？此用户能否打开它的套接字？可以试试：docker version',
  'The image {} has not been built on this machine yet.': '镜像 {} 尚未在这台机器上构建。',
  'In the folder of agent-stack: {}': '请在 agent-stack 的目录中运行：{}',
  'The image {} could not be fetched: {}.': '无法获取镜像 {}：{}。',
  'Is the name right? If it is private: docker login {} && docker pull {}':
    '名称是否正确？如果是私有镜像：docker login {} && docker pull {}',
  'Check the name and the tag in backends.json. To make it on this machine: docker build -t {} .':
    '请检查 backends.json 中的名称和标签。要在这台机器上构建：docker build -t {} .',
  'The engine does not reach {}. Try: docker pull {}. Without a network: docker load':
    '引擎无法连接 {}。可以试试：docker pull {}。没有网络时：docker load',
  'Is the program installed, executable, and on the PATH of the driver?':
    '程序是否已安装、可执行，并且在驱动的 PATH 中？',

  // Of the agents that come along
  'Answers without an LLM, to try the installation.': '无需大模型即可回答，用于试用本系统。',
  'What is agent-stack?': '什么是 agent-stack？',
  'Tools: show me how you use them.': 'Tools：展示一下你如何使用工具。',
  'How do I connect an OpenAI client?': '如何连接 OpenAI 客户端？',
  'How do I write a driver?': '如何编写驱动（driver）？',
  'Passes messages to your LLM and remembers each conversation.': '把消息转给你的大模型，并记住每个对话。',
  'What can you do for me?': '你能为我做什么？',
  'Explain something I should know, step by step.': '一步一步地讲解一个我应该了解的知识。',
  'Help me plan my week: ask me what you need to know.': '帮我规划这一周：需要知道什么就问我。',
  'A personal agent with a shell, files and skills that remembers.': '有记忆的个人智能体，可使用命令行、文件和技能。',
  'Look around in your workspace and tell me what is there.': '看看你的工作区，告诉我里面有什么。',
  'Write a small program that draws a maze, and run it.': '写一个画迷宫的小程序并运行它。',
  "Nous Research's agent with a terminal, skills and long-term memory.":
    'Nous Research 的智能体，有终端、技能和长期记忆。',
  'Remember how I like my answers: short, with an example.': '记住我喜欢的回答方式：简短，并附一个例子。',
  'Find out something new about a topic of my choice.': '就我选的话题找出一些新内容。',
  'A small personal agent with a shell, files, skills and web search.':
    '小巧的个人智能体，可使用命令行、文件、技能和网络搜索。',
  'Make a list of three things worth reading today, with links.': '列出今天值得一读的三篇内容，并附链接。',
  'Write a haiku into a file and read it back to me.': '写一首俳句到文件里，再读给我听。',

  // Usage
  'A number of 0 or more': '大于或等于 0 的数字',
  'A number of 0 or more, such as 2.50': '大于或等于 0 的数字，例如 2.50',
  'Set at least one limit': '请至少设置一个上限',
  'Not above the hard limit': '不能高于硬性上限',
  'There is no such budget.': '没有这个预算。',
  'There is no user and no key with that id.': '没有使用该 ID 的用户或密钥。',
  'You have no such key.': '你没有这个密钥。',
  'That model has no price.': '该模型没有价格。',
  'At most {} characters each': '每个最多 {} 个字符',
  'At most {} models': '最多 {} 个模型',
  '{} for this {}, {}, is used up. It starts again on {}; until then {}.': '{}（{3}）已用完，将于 {4} 重新计算。',
  'Your budget': '你的预算',
  'The budget of this API key': '此 API 密钥的预算',

  // Requests
  'The body could not be read. Send JSON, or a form.': '无法读取请求内容，请发送 JSON 或表单。',
  'This request came from another site and was refused.': '此请求来自其他网站，已被拒绝。',
  'The router does not accept requests for the host "{}".': '路由器不接受主机名为“{}”的请求。',
  'The request is larger than {} bytes.': '请求超过了 {} 字节。',
  // Of agents and their files
  'There is no such file in the home.': '主目录中没有这个文件。',
  'This is a link or a special file, which is not opened here.': '这是链接或特殊文件，不会在此打开。',
  'The agent has closed this to everybody else, also to the router.': '智能体禁止其他人访问此内容，路由器也不例外。',
  'There is already something with the name "{}".': '已存在名为“{}”的内容。',
  'This is not the name of a file.': '这不是文件名。',
  'The path has too many folders.': '路径中的文件夹太多。',
  'This folder is too large for one archive. Download folders in it one by one.':
    '此文件夹太大，无法打成一个包。请逐个下载其中的文件夹。',
  'An upload has at most {} files.': '一次最多上传 {} 个文件。',
  'This agent has no choice of models.': '此智能体不能选择模型。',
  '{} is not a variable that {} may be given.': '{} 不是可以交给 {} 的变量。',
  'Give the agent a name.': '请为智能体命名。',
  'You have {} agents of the backend "{}", and may have no more.': '你已有 {} 个后端“{}”的智能体，不能再增加。',
};
